"""NAL, the neuromorphic abstraction layer: a Network with stated meaning, its files, and its flat arrays."""

from hilbench.nal.model.learnt import learnt
from hilbench.nal.model.network import Network
from hilbench.nal.model.neurons import Population
from hilbench.nal.model.projection import Projection
from hilbench.nal.nir import load, read, save

__all__ = ["Network", "Population", "Projection", "learnt", "load", "read", "save"]
