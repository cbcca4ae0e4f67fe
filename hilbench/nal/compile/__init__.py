"""From a Network to what hardware runs: check, fold, lower, quantise, place, and the energy of it."""
