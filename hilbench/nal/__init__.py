"""NAL, the neuromorphic abstraction layer: a Network with stated meaning, its files, and its flat arrays."""

from hilbench.nal.learnt import learnt
from hilbench.nal.network import Network
from hilbench.nal.neurons import Population
from hilbench.nal.nir import load, read, save
from hilbench.nal.projection import Projection

__all__ = ["Network", "Population", "Projection", "learnt", "load", "read", "save"]
