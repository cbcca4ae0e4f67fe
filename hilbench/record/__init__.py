"""A run's folder: how it is written, checked and read."""
