"""Laws as controllers: the whole observation in, a value for each action out."""

from __future__ import annotations

from msgspec import Struct

from hilbench.coders.values import direct, whole
from hilbench.types import BuiltController, LawProgram, Modulate, PlantSpec, Port, to_builtins


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
