"""The kernels of backend `numba`, and the cache that keeps them."""
