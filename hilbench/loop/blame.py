"""Which plug-in broke its promise in the middle of a run. Asked when a run has failed, never in a tick."""

from __future__ import annotations

import traceback
from typing import Any

import numpy as np

from hilbench.errors import PluginFault, RobotError, said
from hilbench.loop.agent import Agent
from hilbench.types import Backend, LawProgram


def fault_of(error: BaseException, plant: Any, agent: Agent) -> Exception:
    """What a run's fault is: a robot's own error as it is, or else a PluginFault. Raises as `blamed` does.

    Parameters
    ----------
    error : BaseException
        What ended the run.
    plant : Plant
        The plant of the run.
    agent : Agent
        Its controller.
    """
    if isinstance(error, RobotError):
        return error
    return PluginFault(f"{blamed(error, plant, agent)}: {said(error)}")


def blamed(error: BaseException, plant: Any, agent: Agent) -> str:
    """Name the plug-in that raised, or whose answer is wrong. Raises the error itself where it is no plug-in's.

    Parameters
    ----------
    error : BaseException
        What ended the run.
    plant : Plant
        The plant of the run.
    agent : Agent
        Its controller.
    """
    control, program = agent.control, agent.control.program
    parts = [("plant", plant)]
    parts += [("encoder", part) for part in (control.encoder, *control.encoder.parts)]
    parts += [("decoder", part) for part in (control.decoder, *control.decoder.parts)]
    named = {id(part): f"{what} {type(part).__name__!r}" for what, part in parts}
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    through = [frame.f_globals.get("__name__", "") for frame in frames]
    if wrong := _wrong_answer(plant):
        return f"plant {type(plant).__name__!r}: {wrong}"
    if "hilbench.backends.law" in through and isinstance(program, LawProgram):
        return f"law {program.name!r}"
    for frame in reversed(frames):
        owner = frame.f_locals.get("self")
        if (name := named.get(id(owner))) is not None:
            return name
        if isinstance(owner, Backend):  # in this process; a device says so itself
            return f"backend {type(owner).__name__!r}"
    raise error


def _wrong_answer(plant: Any) -> str:
    """What a plant answers now that its spec does not say; nothing where all is as promised."""
    spec = plant.plant_spec
    try:
        answer, state = plant.observe(), plant.state()
    except (Exception, SystemExit):
        return ""
    if not isinstance(answer, tuple) or len(answer) != 5:
        return f"observe() gave {len(answer) if isinstance(answer, tuple) else 'no'} answers, not 5"
    obs, info = answer[0], answer[4]
    if np.shape(obs) != (len(spec.obs_names),):
        return f"observation of shape {np.shape(obs)}, not {(len(spec.obs_names),)}"
    for name in spec.info_units:
        if not isinstance(info.get(name), float | int | np.number | np.bool_):
            return f"info {name!r} is {info.get(name)!r}, no number"
    return "" if np.ndim(state) == 1 else f"state of shape {np.shape(state)}"
