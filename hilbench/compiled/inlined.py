"""The decorators of compiled functions: those that Python calls, and those that only these call."""

from __future__ import annotations

from numba import njit

inner = njit(no_cpython_wrapper=True, no_cfunc_wrapper=True, forceinline=True, _nrt=False, error_model="numpy")
"""Of functions that only compiled code calls: they have no wrappers for Python, are inlined, and count no references to
arrays, which would take longer than a pixel does."""


def outer(signature):
    """Of functions that Python calls, without Python's lock; compiled as they are imported, and kept on disk."""
    return njit(signature, cache=True, nogil=True, _nrt=False, error_model="numpy")
