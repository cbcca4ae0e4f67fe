"""What all sensors are. They must not know any one plant."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Annotated, Any, ClassVar, NamedTuple, Protocol

from msgspec import Meta, Struct

from hilbench.types import Events


class SensorConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How often a sensor samples."""

    period_s: Annotated[float, Meta(gt=0, le=1e6)] | None = None
    """Time from sample to sample, a whole number of physics steps; each physics step when absent."""


class Mount(NamedTuple):
    """What a sensor may know of its plant before that runs."""

    where: str
    """The sensor's place in the scenario, for messages and for its random stream."""
    names: tuple[str, ...]
    """The plant's named state, in the order of `Carrier.truth`."""
    units: tuple[str, ...]
    """Its units; empty where the plant states none."""
    period_us: int
    """Time from sample to sample, in microseconds."""


class Carrier(Protocol):
    """A plant as its sensors see it. What else a sensor asks of it, such as `rays`, it names in `Sensor.needs`."""

    time_s: float
    """The present instant."""
    truth: list[float]
    """The true named state at that instant. A sensor leaves it as it is."""


class Sensor(ABC):
    """A part that samples its plant at a period of its own.

    One with values states `channels` and `units`; one with events states `shape` and `axes`.

    Parameters
    ----------
    config : Config
        The settings, of this class's Config.
    mount : Mount
        What it is mounted on.

    Raises ScenarioError when the settings do not fit the plant.
    """

    Config: ClassVar[type[SensorConfig]]
    needs: tuple[str, ...] = ()
    """Methods that its plant must have, besides what a Carrier has. It may depend on the settings."""
    channels: tuple[str, ...] = ()
    """Of a sensor with values: what each is called. They are observed as NAME.CHANNEL."""
    units: tuple[str, ...] = ()
    """One for each channel."""
    low: Sequence[float] | None = None
    """The least value of each channel; None where there is none."""
    high: Sequence[float] | None = None
    """The greatest one, likewise."""
    shape: tuple[int, ...] = ()
    """Of an event sensor: its addresses count an array of this shape in C order."""
    axes: tuple[str, ...] = ()
    """What each dimension is, as `types.EventSensor` has it."""

    def __init__(self, config: Any, mount: Mount) -> None:
        self.config = config
        self.mount = mount

    def reset(self, seed: int) -> None:
        """Start an episode: make randomness new, and forget what was sampled."""

    @abstractmethod
    def sample(self, plant: Carrier) -> Sequence[float] | Events:
        """What it measures at the plant's present instant.

        Called once at the start of an episode, and then each `mount.period_us`. One with values gives
        (n_channels,) finite numbers. An event sensor gives (n,) EVENT since the sample before, in order of `t_us`, each
        less than `mount.period_us`; at the start of an episode none.
        """
