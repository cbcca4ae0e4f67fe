"""What a robot says of itself in HELLO: names, units, limits, periods, event sensors and constants. JSON, checked."""

from __future__ import annotations

from collections.abc import Iterable
from math import prod
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from hilbench.errors import ProtocolError, printable

BYTES_MAX = 32_768
OBS_MAX, ACTIONS_MAX, SENSORS_MAX, PARAMETERS_MAX, ADDRESSES_MAX = 4096, 1024, 16, 256, 2**24
NAME = r"^[A-Za-z][A-Za-z0-9_.-]*$"
Name = Annotated[str, Meta(pattern=NAME, max_length=64)]
Unit = Annotated[str, Meta(pattern=r"^[!-~µ°·²³]+$", max_length=16)]
Bound = Annotated[float, Meta(ge=-1e30, le=1e30)]
"""A float32 holds it."""
Micros = Annotated[int, Meta(ge=100, le=60_000_000)]


class Observed(Struct, frozen=True, forbid_unknown_fields=True):
    """One value of an observation."""

    name: Name
    unit: Unit


class Actuated(Struct, frozen=True, forbid_unknown_fields=True):
    """One value of an action."""

    name: Name
    unit: Unit
    low: Bound
    high: Bound
    safe: Bound
    choices: Annotated[int, Meta(ge=0, le=2**16)] = 0
    """How many whole numbers from `low` to `high` it may be; 0 for a continuous one."""


class Sensor(Struct, frozen=True, forbid_unknown_fields=True):
    """An event sensor."""

    name: Name
    shape: Annotated[tuple[Annotated[int, Meta(ge=1, le=ADDRESSES_MAX)], ...], Meta(min_length=1, max_length=4)]
    axes: tuple[Name, ...]


class Description(Struct, frozen=True, forbid_unknown_fields=True):
    """A robot, as its HELLO states it."""

    name: Name
    period_us: Micros
    """From one SENSE to the next."""
    watchdog_us: Micros
    """How long the robot does without an ACT before it takes its safe action."""
    obs: Annotated[tuple[Observed, ...], Meta(min_length=1, max_length=OBS_MAX)]
    actions: Annotated[tuple[Actuated, ...], Meta(min_length=1, max_length=ACTIONS_MAX)]
    sensors: Annotated[tuple[Sensor, ...], Meta(max_length=SENSORS_MAX)] = ()
    parameters: Annotated[dict[Name, float], Meta(max_length=PARAMETERS_MAX)] = {}
    """Nominal constants, for controllers that read some."""

    @property
    def n_addresses(self) -> int:
        """Event addresses of all sensors."""
        return sum(prod(sensor.shape) for sensor in self.sensors)


_decoder = msgspec.json.Decoder(Description)


def decode_description(data: bytes) -> Description:
    """The description in a HELLO's body. Raises ProtocolError."""
    if len(data) > BYTES_MAX:
        raise ProtocolError(f"the description has {len(data)} bytes; allowed: {BYTES_MAX}")
    try:
        found = _decoder.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise ProtocolError(f"the description is not what docs/robots.md allows: {printable(str(error))}") from None
    _check_once("obs", (each.name for each in found.obs))
    _check_once("actions", (each.name for each in found.actions))
    _check_once("sensors", (each.name for each in found.sensors))
    for action in found.actions:
        _check_action(action)
    for sensor in found.sensors:
        if len(sensor.axes) != len(sensor.shape):
            raise ProtocolError(f"sensors: {sensor.name!r}: found {len(sensor.axes)} axes; allowed: one for each size")
    if found.n_addresses > ADDRESSES_MAX:
        raise ProtocolError(f"sensors: found {found.n_addresses} addresses; allowed: {ADDRESSES_MAX} in all")
    return found


def _check_once(where: str, names: Iterable[str]) -> None:
    listed = list(names)
    if len(set(listed)) < len(listed):
        raise ProtocolError(f"{where}: found {', '.join(listed)}; allowed: each name once")


def _check_action(action: Actuated) -> None:
    low, high, where = action.low, action.high, f"actions: {action.name!r}"
    if not low < high:
        raise ProtocolError(f"{where}: found low {low:g} and high {high:g}; allowed: the lower first")
    if not low <= action.safe <= high:
        raise ProtocolError(f"{where}: safe: found {action.safe:g}; allowed: {low:g} to {high:g}")
    if action.choices and not (high - low == action.choices - 1 and low == int(low)):
        raise ProtocolError(f"{where}: choices: found {action.choices}; allowed: the whole numbers from low to high")
