"""NAL, the neuromorphic abstraction layer: networks of spiking neurons, and the NIR files that they are kept in."""

from hilbench.nal.model.learnt import learnt
from hilbench.nal.model.network import Network
from hilbench.nal.model.neurons import Population
from hilbench.nal.model.projection import Projection
from hilbench.nal.nir import load, read, save
from hilbench.nal.open_loop import Simulation, Spikes, run

__all__ = ["Network", "Population", "Projection", "Simulation", "Spikes", "learnt", "load", "read", "run", "save"]
