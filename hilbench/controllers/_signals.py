"""Learning signals as a scenario states them: what a network's modulators are made of."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import inf

from msgspec import Struct

from hilbench.errors import ScenarioError, allowed_hint
from hilbench.types import Events, Modulate, PlantSpec, Port, Values

Read = Callable[[Values, Events, float, Mapping[str, float]], float]


class Signal(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One number of a modulator: `scale` times its source, plus `offset`, kept between `low` and `high`.

    It is held over the tick's network steps, as a density: a rule adds it up over time, so that a reward of 1 for one
    period adds `scale` times the period, in seconds.
    """

    source: str
    """`reward`, `obs:NAME`, `info:KEY`, `events` for how many events the plant's sensors told, or `events:SENSOR`."""
    scale: float = 1.0
    """What the source is multiplied by."""
    offset: float = 0.0
    """What is then added."""
    low: float | None = None
    """The least value; any when absent."""
    high: float | None = None
    """The largest value; any when absent."""


def modulate(
    tables: Mapping[str, Signal | Sequence[Signal]], ports: Sequence[Port], plant: PlantSpec
) -> Modulate | None:
    """The function that writes a network's modulators; None for a network without. Raises ScenarioError.

    Parameters
    ----------
    tables : dict
        By modulator, a Signal, or one for each of its values.
    ports : sequence of Port
        The network's modulators.
    plant : PlantSpec
    """
    names = [port.name for port in ports]
    for name in tables:
        if name not in names:
            raise ScenarioError(f"modulators.{name}: no rule of the network asks for it; {allowed_hint(name, names)}")
    signals: list[Signal] = []
    for port in ports:
        where, given = f"modulators.{port.name}", tables.get(port.name, ())
        own = [given] if isinstance(given, Signal) else list(given)
        if len(own) != port.size:
            raise ScenarioError(f"{where}: found {len(own)} signals; allowed: {port.size}, each with its source")
        signals += own
    if not signals:
        return None
    parts = [(_reader(signal.source, plant), *_line(signal)) for signal in signals]

    def write(obs: Values, events: Events, reward: float, info: Mapping[str, float], modulators: Values) -> None:
        for i, (read, scale, offset, low, high) in enumerate(parts):
            modulators[i] = min(max(scale * read(obs, events, reward, info) + offset, low), high)

    return write


def _line(signal: Signal) -> tuple[float, float, float, float]:
    low = -inf if signal.low is None else signal.low
    high = inf if signal.high is None else signal.high
    if not low < high:
        raise ScenarioError(f"modulators: low, high: found {low:g}, {high:g}; allowed: the lower first")
    return signal.scale, signal.offset, low, high


def _reader(source: str, plant: PlantSpec) -> Read:
    """How a source is read in a tick."""
    what, _, name = source.partition(":")
    sensors = [sensor.name for sensor in plant.event_sensors]
    named = {"obs": plant.obs_names, "info": tuple(plant.info_units), "events": sensors}.get(what, ())
    if source == "reward":
        return lambda obs, events, reward, info: reward
    if source == "events" and sensors:
        return lambda obs, events, reward, info: float(events.size)
    if name not in named:
        allowed = ["reward", *(f"obs:{n}" for n in plant.obs_names), *(f"info:{n}" for n in plant.info_units)]
        allowed += ["events"] * bool(sensors) + [f"events:{n}" for n in sensors]
        raise ScenarioError(f"modulators: source: found {source!r}; {allowed_hint(source, allowed)}")
    if what == "obs":
        column = plant.obs_names.index(name)
        return lambda obs, events, reward, info: float(obs[column])
    if what == "info":
        return lambda obs, events, reward, info: float(info[name])
    place = sensors.index(name)
    first = sum(sensor.size for sensor in plant.event_sensors[:place])
    end = first + plant.event_sensors[place].size
    return lambda obs, events, reward, info: float(((events["address"] >= first) & (events["address"] < end)).sum())
