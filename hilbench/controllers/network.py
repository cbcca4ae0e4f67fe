"""Any network in a NIR file as a controller: the scenario says how observations come in and actions go out."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from hilbench import plugins
from hilbench.coders import port_decoders, port_encoders
from hilbench.controllers._signals import Signal, modulate
from hilbench.errors import NetworkError, PluginError, ScenarioError, allowed_hint
from hilbench.nal import Network
from hilbench.nal.model.plastic import with_rules
from hilbench.nal.model.rule import Rule
from hilbench.nal.nir import read_with_notes
from hilbench.settings import File, to_config
from hilbench.types import BuiltController, Controller, PlantSpec

Table = dict[str, Any]


class NetworkConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of `network`."""

    path: File
    """The NIR file, beside the scenario file or as seen from the working directory."""
    preset: str | None = None
    """The framework that wrote it, for a file without a profile: docs/presets.md."""
    profile: Table = {}
    """What else must be stated of a file without a profile, as `hilbench import` has it: dt_s, integrator, reset ..."""
    steps_per_period: Annotated[int, Meta(ge=1, le=100_000)] | None = None
    """How many network steps a control period has, where the network's time is not the plant's.

    An event at t_us of the period T_us falls into step t_us * n // T_us, and rules go by the network's own step.
    Absent: the plant's time, so that the period must be a whole number of the network's steps."""
    encoders: dict[str, Table | list[Table]] = {}
    """By input port: an encoder's `kind` and its fields; a list of such fills the port one after the other."""
    decoders: dict[str, Table] = {}
    """By output port: a decoder's `kind` and its fields; `actions` names those that it writes, all when absent."""
    rules: dict[str, Table] = {}
    """By projection or population: a learning rule's `kind` and its fields.

    With `synapses` = "all" weights of 0 are synapses that may learn, too."""
    modulators: dict[str, Signal | list[Signal]] = {}
    """By modulator of the rules: where its values come from."""


class NIRNetwork(Controller):
    """A network from a NIR file, with encoders, decoders, learning rules and signals from the scenario."""

    Config = NetworkConfig

    @staticmethod
    def build(config: NetworkConfig, plant: PlantSpec, period_us: int, seed: int) -> BuiltController:
        network, notes = _read(config)
        return around(network, config, plant, period_us, tuple(f"{config.path}: {note}" for note in notes))


def around(
    network: Network, config: NetworkConfig, plant: PlantSpec, period_us: int, notes: tuple[str, ...] = ()
) -> BuiltController:
    """The controller that these settings make of a network in memory, instead of the one at `path`.

    Raises ScenarioError where the settings do not fit the network or the plant.

    Parameters
    ----------
    network : Network
        The network.
    config : NetworkConfig
        The settings.
    plant : PlantSpec
        The plant it is to control.
    period_us : int
        The control period, in microseconds.
    notes : tuple of str
        A line each for whatever its user should know.
    """
    network = _learning(network, config)
    _check_period(network, config, period_us)
    return BuiltController(
        network,
        port_encoders(config.encoders, network.inputs, plant, period_us),
        port_decoders(config.decoders, network.outputs, plant, period_us),
        modulate(config.modulators, network.modulators, plant),
        notes,
        config.steps_per_period,
    )


def _read(config: NetworkConfig) -> tuple[Network, list[str]]:
    """The network in the file, and notes on it."""
    stated = config.profile | ({} if config.preset is None else {"preset": config.preset})
    try:
        return read_with_notes(config.path, stated)
    except NetworkError as error:
        raise ScenarioError(f"path: {_in_toml(str(error))}") from None


def _in_toml(text: str) -> str:
    """A refusal that names options of the command line, for a reader who writes a scenario."""
    before, command, _ = text.partition(": hilbench import ")
    return f"{before}, in the table `profile`" if command else text


def _learning(network: Network, config: NetworkConfig) -> Network:
    """The network with the rules that the scenario puts on it."""
    rules: dict[str, Rule] = {}
    every = set()
    for name, table in config.rules.items():
        where, settings = f"rules.{name}", dict(table)
        synapses: Literal["nonzero", "all"] = settings.pop("synapses", "nonzero")
        if synapses not in ("nonzero", "all"):
            hint = allowed_hint(str(synapses), ["nonzero", "all"])
            raise ScenarioError(f"{where}.synapses: found {synapses!r}; {hint}")
        kind = settings.pop("kind", None)
        try:
            rule = plugins.get("rules", str(kind))
        except PluginError as error:
            raise ScenarioError(f"{where}.kind: {error}") from None
        rules[name] = to_config(rule, settings, where, str(kind))
        if synapses == "all":
            every.add(name)
    try:
        return with_rules(network, rules, every) if rules else network
    except NetworkError as error:
        raise ScenarioError(str(error)) from None


def _check_period(network: Network, config: NetworkConfig, period_us: int) -> None:
    if config.steps_per_period is None and period_us % network.dt_us:
        raise ScenarioError(
            f"path: the network's step is {network.dt_us} us and loop.period_s is {period_us} us; allowed: a whole"
            " number of steps in a period, or steps_per_period for a network whose time is not the plant's"
        )
    if config.steps_per_period is not None and config.steps_per_period > period_us:
        raise ScenarioError(
            f"steps_per_period: found {config.steps_per_period}, and loop.period_s is {period_us} us; allowed: up to"
            f" {period_us}, for events come at whole microseconds"
        )
