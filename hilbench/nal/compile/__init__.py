"""From a Network to what hardware runs: checks, folding, lowering, quantising, placing, energy."""
