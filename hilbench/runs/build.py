"""What a scenario names, built: plant, controller, and the agent on its link."""

from __future__ import annotations

import numpy as np

from hilbench import plugins
from hilbench.errors import HilbenchError, NetworkError, ScenarioError, said
from hilbench.loop.agent import Agent
from hilbench.runs.plant_check import check_control, check_plant
from hilbench.scenario.files import PluginPart, Scenario
from hilbench.types import (
    BuiltController,
    Empty,
    LawProgram,
    Plant,
    PlantSpec,
    Program,
    to_builtins,
)


def make_plant(scenario: Scenario, render_mode: str | None = None) -> Plant:
    """The scenario's plant. Raises ScenarioError when a disturbance does not fit it."""
    kind = plugins.get("envs", scenario.plant.kind)
    try:
        return kind(
            render_mode=render_mode,
            control_period_s=scenario.loop.period_s,
            disturbances=scenario.disturbances,
            **to_builtins(scenario.plant.config),
        )
    except ScenarioError as error:
        raise ScenarioError(f"{scenario.where}: {error}") from None
    except HilbenchError:
        raise
    except Exception as error:  # a plant of somebody else's
        where = f"{scenario.where}: plant {scenario.plant.kind!r}"
        raise ScenarioError(f"{where}: cannot be made: {said(error)}") from error


def make_control(scenario: Scenario, plant_spec: PlantSpec) -> BuiltController:
    """The scenario's controller, built for a plant. Raises ScenarioError when its settings make none."""
    chosen = scenario.chosen
    kind = plugins.get("controllers", chosen.kind)
    try:
        return kind.build(chosen.config, plant_spec, scenario.period_us, scenario.loop.seed)
    except (ScenarioError, NetworkError) as error:
        raise ScenarioError(f"{scenario.where}: controllers.{scenario.controller}: {error}") from None


def checked(scenario: Scenario, plant: Plant) -> BuiltController:
    """The scenario's controller, built for a plant that is reset and stepped once, with all they promise held true.

    The plant has to be reset before it runs. Raises ScenarioError for what is not as promised.
    """
    control = make_control(scenario, check_plant(scenario, plant))
    check_control(scenario, plant, control)
    return control


def check(scenario: Scenario) -> Program:
    """Build everything but the link and the device; the program. Raises HilbenchError for what could not run."""
    return check_whole(scenario).program


def check_whole(scenario: Scenario) -> BuiltController:
    """As `check`; the program with its coders and notes."""
    plant = make_plant(scenario)
    try:
        control = checked(scenario, plant)
    finally:
        plant.close()
    program = control.program
    kind = "law" if isinstance(program, LawProgram) else "reference"
    try:
        plugins.get("backends", kind)(Empty()).load(program, scenario.period_us, scenario.record)
    except NetworkError as error:
        raise ScenarioError(f"{scenario.where}: {error}") from None
    return control


def learns(program: Program) -> bool:
    """Whether a program has something that the learning bit stops."""
    if isinstance(program, LawProgram):
        return bool(plugins.get("laws", program.name).learnt)
    return any(part.rule for part in (*program.projections.values(), *program.populations.values()))


def nearest_link(scenario: Scenario) -> PluginPart:
    """The link with the least between: in process, or to a device where the backend needs another Python."""
    own = plugins.get("backends", scenario.chosen.backend.kind).environment
    name = "inprocess" if own is None else "zmq"
    config = plugins.get("links", name).Config
    # Of the run's own link the time limits alone are kept: neither its address nor what it did to frames.
    limits = {field: getattr(scenario.link.config, field, None) for field in ("timeout_s", "start_timeout_s")}
    return PluginPart(name, config(**{field: limit for field, limit in limits.items() if own and limit is not None}))


def make_agent(scenario: Scenario, plant_spec: PlantSpec, control: BuiltController | None = None) -> Agent:
    """The scenario's controller on its link, built unless it is given; a link that starts its device starts it."""
    control = make_control(scenario, plant_spec) if control is None else control
    backend = scenario.chosen.backend
    link = plugins.get("links", scenario.link.kind)(scenario.link.config, backend.kind, to_builtins(backend.config))
    try:
        return Agent(
            control, link, scenario.period_us, scenario.record, np.array(plant_spec.safe_action), plant_spec.obs_names
        )
    except BaseException:
        link.close()
        raise
