"""The kernels of Loihi's integers."""
