"""Timed changes of a plant's body, sensors, actuators and events, and fields: disturbances, a file for each family."""

from hilbench.envs.disturbances._base import (
    Disturbance,
    Finite,
    JointForce,
    Loads,
    NotNegative,
    Seconds,
    Span,
    Timing,
    Traits,
    spread,
)
from hilbench.envs.disturbances._events import EventConfig, EventDisturbance, in_order

__all__ = [
    "Disturbance",
    "EventConfig",
    "EventDisturbance",
    "Finite",
    "JointForce",
    "Loads",
    "NotNegative",
    "Seconds",
    "Span",
    "Timing",
    "Traits",
    "in_order",
    "spread",
]
