"""Loihi's integer network: its numbers, its equations, and the conversion of a Network of real numbers to them."""

from hilbench.nal.loihi.model import IntegerNetwork

__all__ = ["IntegerNetwork"]
