"""Loihi's integer network: its numbers, its equations, and how a Network of real numbers is brought onto them."""

from hilbench.nal.loihi.model import IntegerNetwork

__all__ = ["IntegerNetwork"]
