"""Laws as controllers: the whole observation in, a value for each action out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec import Struct
from numpy.typing import NDArray

from hilbench.coders.values import direct, whole
from hilbench.errors import ScenarioError
from hilbench.types import BuiltController, Events, LawProgram, Modulate, PlantSpec, Port, to_builtins


def law_program(
    name: str, config: Struct, plant: PlantSpec, output: str = "action", modulators: tuple[Port, ...] = ()
) -> LawProgram:
    """The program of a law that reads the whole observation and writes every action.

    Parameters
    ----------
    name : str
        The law's.
    config : Struct
        Its settings.
    plant : PlantSpec
    output : str
        What to call the output port.
    modulators : tuple of Port
        Its learning signals.
    """
    return LawProgram(
        name,
        to_builtins(config),
        inputs=(Port("observation", len(plant.obs_names), units=plant.obs_units),),
        outputs=(Port(output, len(plant.action_names), units=plant.action_units),),
        modulators=modulators,
    )


def around(
    program: LawProgram, plant: PlantSpec, period_us: int, modulate: Modulate | None = None, notes: tuple[str, ...] = ()
) -> BuiltController:
    """A controller of a law.

    Parameters
    ----------
    program : LawProgram
        As `law_program` makes it.
    plant : PlantSpec
    period_us : int
        The control period, in microseconds.
    modulate : callable, optional
        Writes the modulators.
    notes : tuple of str
        A line each for whatever its user should know.
    """
    encoder, decoder = whole(plant, period_us), direct(program.outputs, plant, period_us)
    return BuiltController(program, encoder, decoder, modulate, notes)


def told(keys: Sequence[str], plant: PlantSpec) -> tuple[tuple[Port, ...], Modulate]:
    """What no controller on a robot knows, from the plant's info: a port for each entry, and what writes them.

    Raises ScenarioError for a plant whose info does not have one.

    Parameters
    ----------
    keys : sequence of str
    plant : PlantSpec
    """
    for key in keys:
        if key not in plant.info_units:
            raise ScenarioError(f"knows_change: this plant's info has no {key}")

    def tell(obs: NDArray, events: Events, reward: float, info: Mapping[str, float], modulators: NDArray) -> None:
        modulators[:] = [info[key] for key in keys]

    return tuple(Port(key, 1, units=(plant.info_units[key],)) for key in keys), tell
