"""Builds what a scenario names: its plant, its controller, and the agent on its link."""

from __future__ import annotations

import logging
import math
from copy import deepcopy
from dataclasses import replace
from inspect import Parameter, signature
from pathlib import Path
from typing import Any

from hilbench import modules, plugins
from hilbench.coders import Blindfold
from hilbench.errors import HilbenchError, NetworkError, PluginFault, ScenarioError, allowed_hint, said
from hilbench.loop.agent import Agent
from hilbench.loop.network_time import NetworkTimeLink
from hilbench.nal import Network
from hilbench.nal.model.learnt import Kept, check_fits, learnt, read_learnt
from hilbench.runs.control_check import check_built, check_control
from hilbench.runs.given import with_given
from hilbench.runs.plant_check import check_close, check_plant
from hilbench.scenario.losses import keys
from hilbench.scenario.resolved import PluginPart, Scenario
from hilbench.types import BuiltController, Empty, LawProgram, PlantSpec, Program, to_builtins

log = logging.getLogger(__name__)


def make_plant(scenario: Scenario, render_mode: str | None = None) -> Any:
    """Make the scenario's plant. Raises ScenarioError when a disturbance does not fit it.

    Parameters
    ----------
    scenario : Scenario
    render_mode : str, optional
        As Gymnasium's: "rgb_array" or "human"; nothing is drawn without it.
    """
    kind = plugins.get("envs", scenario.plant.kind)
    if getattr(kind, "realtime_only", False) and scenario.loop.mode != "realtime":
        raise ScenarioError(
            f"{scenario.where}: loop.mode: found {scenario.loop.mode!r}; allowed: realtime; a plant of kind"
            f" {scenario.plant.kind!r} moves by itself and waits for nobody"
        )
    carried = {"sensors": deepcopy(scenario.sensors)} if scenario.sensors else {}
    if carried and not _takes(kind, "sensors"):
        raise ScenarioError(f"{_named(scenario)}: found [sensors], which this plant cannot carry; allowed: none")
    try:
        return kind(
            render_mode=render_mode,
            control_period_s=scenario.loop.period_s,
            disturbances=deepcopy(scenario.disturbances),
            **carried,
            **to_builtins(scenario.plant.config),
        )
    except ScenarioError as error:
        raise ScenarioError(f"{scenario.where}: {error}") from None
    except HilbenchError:
        raise
    except (Exception, SystemExit) as error:  # a plant of somebody else's
        raise PluginFault(f"{_named(scenario)}: cannot be made: {said(error)}") from error


def _takes(kind: Any, argument: str) -> bool:
    """Whether a class can be made with an argument of a name. One that takes any takes it if its base does."""
    for each in kind.__mro__:
        if "__init__" in vars(each):
            parameters = signature(vars(each)["__init__"]).parameters
            if argument in parameters:
                return True
            if not any(one.kind is Parameter.VAR_KEYWORD for one in parameters.values()):
                return False
    return False


def close_plant(scenario: Scenario, plant: Any) -> None:
    """Close a plant. One that cannot be closed is a warning: what it did before stands.

    Parameters
    ----------
    scenario : Scenario
        The plant's, for the message.
    plant : Plant
        The plant.
    """
    try:
        plant.close()
    except (Exception, SystemExit) as error:
        log.warning("%s: close() raised %s", _named(scenario), said(error))


def _named(scenario: Scenario) -> str:
    return f"{scenario.where}: plant {scenario.plant.kind!r}"


def make_control(scenario: Scenario, plant_spec: PlantSpec) -> BuiltController:
    """Build the scenario's controller for a plant. Raises ScenarioError when its settings make none.

    Parameters
    ----------
    scenario : Scenario
    plant_spec : PlantSpec
        Of the plant that it will control.
    """
    return _blinded(scenario, _seeing(scenario, plant_spec))


def _seeing(scenario: Scenario, plant_spec: PlantSpec) -> BuiltController:
    """The scenario's controller, without the blindfold that its loop may ask for."""
    chosen = scenario.chosen
    kind, where = plugins.get("controllers", chosen.kind), f"{scenario.where}: controllers.{scenario.controller}"
    seed = network_seed(scenario)
    try:
        built = kind.build(chosen.config, plant_spec, scenario.period_us, seed)
    except (ScenarioError, NetworkError) as error:
        raise ScenarioError(f"{where}: {error}") from None
    except HilbenchError:
        raise
    except (Exception, SystemExit) as error:  # a controller of somebody else's
        raise PluginFault(f"{where}: build raised {said(error)}") from error
    check_built(built, where)
    if scenario.modules:
        modules.allow(_named_by(built.program), scenario.folder)
    if scenario.loop.start_from is not None:
        built = replace(built, program=_started(built.program, scenario))
    return built


def _blinded(scenario: Scenario, built: BuiltController) -> BuiltController:
    """A controller that is blind from where its loop says so on, if it does. What it counts begins here."""
    loop = scenario.loop
    if loop.blind_at_s is None and loop.blind_at_episode is None:
        return built
    tick = math.ceil((loop.blind_at_s or 0.0) / loop.period_s - 1e-9)
    ports, names = built.program.inputs, built.blind_inputs
    try:
        return replace(built, encoder=Blindfold(built.encoder, ports, names, tick, loop.blind_at_episode or 0))
    except ScenarioError as error:
        raise ScenarioError(f"{scenario.where}: controllers.{scenario.controller}: {error}") from None


def network_seed(scenario: Scenario) -> int:
    """From which the controller is drawn: the run's seed, or that of the run whose weights it starts from.

    Raises ScenarioError.
    """
    return scenario.loop.seed if scenario.loop.start_from is None else _learnt_before(scenario).seed


def _started(program: Program, scenario: Scenario) -> Network:
    """The network with what an earlier run has learnt. Raises ScenarioError."""
    if not isinstance(program, Network):
        raise _refused(scenario, f"controller {scenario.controller!r} is no network; allowed: one that is")
    kept = _learnt_before(scenario)
    try:
        check_fits(kept, program)
        return learnt(program, kept.arrays)
    except NetworkError as error:
        raise _refused(scenario, error) from None


def _learnt_before(scenario: Scenario) -> Kept:
    try:
        return read_learnt(Path(str(scenario.loop.start_from)))
    except NetworkError as error:
        raise _refused(scenario, error) from None


def _refused(scenario: Scenario, why: object) -> ScenarioError:
    return ScenarioError(f"{scenario.where}: loop.start_from: {scenario.loop.start_from}: {why}")


def _named_by(program: Program) -> set[str]:
    """The modules that a trusted controller's program names: of its law, or of its learning rules."""
    names = {plugins.name_of("rules", type(rule)) for rule in rules_of(program)}
    if isinstance(program, LawProgram):
        names = {program.name, *(value for value in program.config.values() if isinstance(value, str))}
    return {name.partition(":")[0] for name in names if modules.is_module_name(name)}


def checked(scenario: Scenario, plant: Any) -> BuiltController:
    """Build the scenario's controller, and check the plant and the controller against what they promise.

    The check resets the plant and steps it once, so the plant must be reset again before it runs. Raises ScenarioError
    for a broken promise.

    Parameters
    ----------
    scenario : Scenario
    plant : Plant
        The scenario's plant, as `make_plant` makes it.
    """
    control = _seeing(scenario, check_plant(scenario, plant))
    check_control(scenario, plant, control)
    control = _blinded(scenario, control)  # only now: it counts what it is shown
    _check_loss(scenario, plant.plant_spec)
    return replace(control, notes=(*control.notes, *_notes(scenario, plant.plant_spec)))


def _check_loss(scenario: Scenario, plant_spec: PlantSpec) -> None:
    """Raise ScenarioError for an info key of the loss that the plant does not have."""
    for field, key in keys(scenario.score.loss):
        if key not in plant_spec.info_units:
            allowed = allowed_hint(key, plant_spec.info_units)
            raise ScenarioError(f"{scenario.where}: score.loss.{field}: found {key!r}; {allowed}")


def _notes(scenario: Scenario, plant_spec: PlantSpec) -> tuple[str, ...]:
    """What a delay costs where a step of the plant takes a whole control period."""
    loop = scenario.loop
    if loop.mode == "lockstep" or getattr(scenario.plant.config, "physics_step_s", None) is not None:
        return ()
    whole = f"{plant_spec.physics_step_s * 1e3:g} ms"
    return (
        f"plant: one step of it takes a whole control period of {whole}, so a reply that is late by less costs {whole}",
    )


def check(scenario: Scenario) -> Program:
    """Build everything except the link and the device; return the program. Raises HilbenchError if it could not run."""
    return check_whole(scenario).program


def check_whole(scenario: Scenario) -> BuiltController:
    """Do as `check`; return the program with its coders and notes."""
    plant = make_plant(scenario)
    try:
        control = checked(scenario, plant)
    except BaseException:
        close_plant(scenario, plant)
        raise
    check_close(plant, _named(scenario))
    program = control.program
    kind = "law" if isinstance(program, LawProgram) else "reference"
    try:
        plugins.get("backends", kind)(Empty()).load(program, scenario.period_us, scenario.record)
    except NetworkError as error:
        kind_of_error = PluginFault if isinstance(error, PluginFault) else ScenarioError
        raise kind_of_error(f"{scenario.where}: {error}") from None
    return control


def learns(program: Program) -> bool:
    """Whether a program learns: whether it has anything that a tick's `learning` switches off."""
    if isinstance(program, LawProgram):
        return bool(getattr(plugins.get("laws", program.name), "learnt", ()))
    return bool(rules_of(program))


def rules_of(program: Program) -> list[Any]:
    """The learning rules of a network's projections and populations; a law has none."""
    if not isinstance(program, Network):
        return []
    found = [projection.rule for projection in program.projections.values()]
    found += [population.rule for population in program.populations.values()]
    return [rule for rule in found if rule]


def nearest_link(scenario: Scenario) -> PluginPart:
    """The link with the shortest way: in process, or to a local device where the backend needs another Python."""
    own = plugins.get("backends", scenario.chosen.backend.kind).environment
    name = "inprocess" if own is None else "zmq"
    config = plugins.get("links", name).Config
    # Only the time limits of the run's own link are kept, not its address or what it did to frames.
    limits = {field: getattr(scenario.link.config, field, None) for field in ("timeout_s", "start_timeout_s")}
    return PluginPart(name, config(**{field: limit for field, limit in limits.items() if own and limit is not None}))


def make_agent(
    scenario: Scenario,
    plant_spec: PlantSpec | None = None,
    control: BuiltController | None = None,
    *,
    plant: Any = None,
) -> Agent:
    """Put the scenario's controller on its link; a link that starts its own device starts it here.

    Parameters
    ----------
    scenario : Scenario
    plant_spec : PlantSpec, optional
        Of the plant that it will control.
    control : BuiltController, optional
        The controller, where it has been built already.
    plant : gymnasium.Env or Plant, optional
        The plant itself, in place of its spec: any environment of Gymnasium, wrapped or not.
    """
    if plant is not None:
        plant_spec = with_given(scenario, plant)[1].plant_spec
    if plant_spec is None:
        raise ScenarioError("make_agent: found neither plant_spec nor plant; allowed: one of them")
    control = make_control(scenario, plant_spec) if control is None else control
    backend = scenario.chosen.backend
    link = plugins.get("links", scenario.link.kind)(scenario.link.config, backend.kind, to_builtins(backend.config))
    if control.steps_per_period is not None and isinstance(control.program, Network):
        link = NetworkTimeLink(link, control.steps_per_period, control.program.dt_us)
    try:
        return Agent(control, link, scenario.period_us, scenario.record, plant_spec)
    except BaseException:
        link.close()
        raise


def own_period_us(control: BuiltController, period_us: int) -> int:
    """How long a control period is for the program, in microseconds: in a network's own time where it has one.

    Parameters
    ----------
    control : BuiltController
    period_us : int
        The control period, in the plant's time.
    """
    if control.steps_per_period is None or not isinstance(control.program, Network):
        return period_us
    return control.steps_per_period * control.program.dt_us
