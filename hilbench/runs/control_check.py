"""Checks a controller against what it promises for a plant, before anything runs.

It makes one encode and one decode. The first broken promise is an error that names it.
Encoder and decoder must be reset again afterwards.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from hilbench.nal.model.network import Network
from hilbench.runs.promises import call, check_events, check_finite, place, wrong
from hilbench.scenario.resolved import Scenario
from hilbench.types import NO_EVENTS, BuiltController, Decoder, Encoder, LawProgram, Tick, size_of


def check_control(scenario: Scenario, plant: Any, control: BuiltController) -> None:
    """Encode a plant's present observation, and decode a reply of zeros. Raises ScenarioError where one does not fit.

    Parameters
    ----------
    scenario : Scenario
    plant : Plant
        A plant that was reset.
    control : BuiltController
        The scenario's controller, built for this plant.
    """
    plant_spec, program = plant.plant_spec, control.program
    sizes = {f"{way} {kind}": size_of(getattr(program, way), kind) for way in ("inputs", "outputs") for kind in KINDS}
    n_in, n_out = sizes["inputs values"], sizes["outputs values"]
    n_obs, n_actions = len(plant_spec.obs_names), len(plant_spec.action_names)
    encoder, decoder, seed = control.encoder, control.decoder, scenario.loop.seed
    with place(f"{scenario.where}: controllers.{scenario.controller}"):
        for kind, n in encoder.sizes.items():
            if (takes := sizes[f"inputs {kind}"]) != n:
                allowed = f"{n}, as many as encoder {type(encoder).__name__!r} gives"
                raise wrong("the program's inputs", f"{takes} {kind}", allowed)
        obs, reward, _, _, info = plant.observe()
        with call("encoder.reset(), decoder.reset()"):
            encoder.reset(seed)
            decoder.reset(seed)
        tick = Tick(values=np.zeros(n_in, np.float32))
        tick.modulators = np.zeros(size_of(program.modulators, "values"), np.float32)
        shown = obs.copy()
        with call(f"encode, for {n_obs} observations and inputs of {n_in} values,"):
            tick.events = encoder.encode(shown, NO_EVENTS, tick.values)
        if not np.array_equal(shown, obs, equal_nan=True):
            raise wrong("encode: the observation it is given", "other numbers afterwards", "the same; change a copy")
        check_finite("encode: values", tick.values)
        check_events("encode: events", tick.events, sizes["inputs events"], "the program", scenario.period_us)
        if control.modulate is not None:
            with call("the modulators"):
                control.modulate(obs, NO_EVENTS, reward, info, tick.modulators)
            check_finite("modulators", tick.modulators)
        action = np.full(n_actions, np.nan)
        with call(f"decode, for outputs of {n_out} values and {n_actions} actions,"):
            decoder.decode(np.zeros(n_out, np.float32), NO_EVENTS, action)
        check_finite("decode of a reply of zeros: action", action)


KINDS = ("values", "events")


def check_built(control: Any, where: str) -> None:
    """Raise PluginFault for what a controller's `build` gave and is no BuiltController.

    Parameters
    ----------
    control : object
        What `build` gave.
    where : str
        The controller's place, for the message.
    """
    with place(where):
        if not isinstance(control, BuiltController):
            raise wrong("build", f"a {type(control).__name__}", "a BuiltController")
        if not isinstance(control.program, Network | LawProgram):
            raise wrong("build: program", f"a {type(control.program).__name__}", "a Network or a LawProgram")
        for field, kind in (("encoder", Encoder), ("decoder", Decoder)):
            if not isinstance(found := getattr(control, field), kind):
                raise wrong(f"build: {field}", f"a {type(found).__name__}", f"a hilbench.types.{kind.__name__}")
        if not (control.modulate is None or callable(control.modulate)):
            raise wrong("build: modulate", f"a {type(control.modulate).__name__}", "a function, or None")
        if not isinstance(control.notes, tuple) or not all(isinstance(note, str) for note in control.notes):
            raise wrong("build: notes", repr(control.notes), "a tuple of text")
