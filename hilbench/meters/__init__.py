"""Meters read the energy that hardware uses. They know no plant, no network and no run."""
