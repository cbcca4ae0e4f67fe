"""The nouns that two layers share: Tick and Reply, ports, programs, plants, and the contracts that plug-ins fulfil.

A type stands here only when two layers use it. Nothing here reads a clock, a file or a socket.
"""

from __future__ import annotations

from hilbench.types.coders import Decoder, Encoder
from hilbench.types.contracts import (
    Backend,
    BuiltController,
    Controller,
    Empty,
    Law,
    Link,
    Meter,
    Modulate,
    to_builtins,
)
from hilbench.types.networks import NetworkFacts, PopulationFacts, ProjectionFacts
from hilbench.types.plants import EventSensor, LivePlant, Observation, Plant, PlantSpec, RobotReport, SensingPlant
from hilbench.types.programs import Carry, LawProgram, Lines, LoadReport, Name, Port, Probes, Program, size_of
from hilbench.types.ticks import (
    COUNTERS,
    EVENT,
    HELD,
    NO_EVENTS,
    NO_VALUES,
    REPLIED,
    SAFE,
    Events,
    Reply,
    States,
    Tick,
    Values,
)

__all__ = [
    "COUNTERS", "EVENT", "HELD", "NO_EVENTS", "NO_VALUES", "REPLIED", "SAFE",
    "Backend", "BuiltController", "Carry", "Controller", "Decoder", "Empty", "Encoder", "EventSensor", "Events", "Law",
    "LawProgram", "Lines", "Link", "LivePlant", "LoadReport", "Meter", "Modulate", "Name", "NetworkFacts",
    "Observation", "Plant", "PlantSpec", "PopulationFacts", "Port", "Probes", "Program", "ProjectionFacts", "Reply",
    "RobotReport", "SensingPlant", "States", "Tick", "Values", "size_of", "to_builtins",
]  # fmt: skip
