"""A plant with two event sensors: a camera of 32 x 32 pixels before which a bar moves, and an ear of eight channels."""

from __future__ import annotations

from importlib.metadata import EntryPoint

import gymnasium
import numpy as np
from gymnasium.spaces import Box
from msgspec import Struct

from hilbench import plugins
from hilbench.scenario.files import load
from hilbench.types import EVENT, EventSensor, PlantSpec

SIZE, BAR, CHANNELS = 32, 6, 8
ROWS = np.arange(8, 24)
STEP_S, STEPS_PER_COLUMN = 0.005, 4
CAMERA = EventSensor("camera", (SIZE, SIZE, 2), ("y", "x", "polarity"))
EAR = EventSensor("ear", (CHANNELS,), ("channel",))
SCENARIO = """\
name = "camera"
controller = "idle"
summary = "A bar before a camera."

[plant]
kind = "event_camera"

[controllers.idle]
kind = "random"

[loop]
period_s = 0.02
duration_s = 1.0
"""


class EventCamera(gymnasium.Env):
    """A bar, six columns wide and in the rows 8 to 23, goes right for ever, a column in 20 ms.

    When its front enters a column, each row's pixel there says ON, and in the column that its end leaves, OFF. The top
    row does so 15 us before the column is due, the others a microsecond each after it. Channel c of the ear has the
    columns 4 c to 4 c + 3.
    """

    class Config(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
        """How it is stepped."""

        physics_step_s: float = STEP_S

    plant_spec = PlantSpec(
        obs_names=("column",), obs_units=("1",), action_names=("nudge",), action_units=("1",), action_low=(-1.0,),
        action_high=(1.0,), safe_action=(0.0,), physics_step_s=STEP_S, info_units={"offset_px": "px"},
        error="offset_px", parameters={}, event_sensors=(CAMERA, EAR), state_meaning="physics steps since the reset",
    )  # fmt: skip

    def __init__(self, **settings):
        self.observation_space, self.action_space = Box(0, SIZE, (1,)), Box(-1, 1, (1,))
        self._steps = self._told = 0

    def reset(self, *, seed=None, options=None):
        self._steps = self._told = 0
        obs, *_, info = self.observe()
        return obs, info

    def observe(self):
        column = self._steps / STEPS_PER_COLUMN % SIZE
        return np.array([column], np.float32), 0.0, False, False, {"offset_px": column - SIZE / 2}

    def advance(self, n_steps, action):
        self._steps += n_steps

    def state(self):
        return np.array([float(self._steps)])

    def events(self):
        start, self._told = self._told, self._steps
        columns = np.arange(start // STEPS_PER_COLUMN + 1, self._steps // STEPS_PER_COLUMN + 1)[:, None]
        due_us = (columns * STEPS_PER_COLUMN - start) * round(STEP_S * 1e6) - 1
        on, off = ((ROWS * SIZE + x % SIZE) * 2 + polarity for x, polarity in ((columns, 1), (columns - BAR, 0)))
        at_us = due_us + np.arange(-15, 1)
        found = np.zeros((len(columns), 33), EVENT)
        found["address"] = np.concatenate([on, off, CAMERA.size + columns % SIZE // 4], 1)
        found["t_us"] = np.concatenate([at_us, at_us, due_us], 1)
        return np.sort(found.ravel(), kind="stable")

    def close(self):
        pass


def register(monkeypatch):
    """Make it the plant `event_camera`, as a package's entry point does."""
    point = EntryPoint("event_camera", f"{__name__}:EventCamera", "hilbench.envs")
    plugins.all_of.cache_clear()
    monkeypatch.setattr(plugins, "entry_points", lambda group: [point] * (group == point.group))


def scenario(folder, **overrides):
    """Its scenario, from a file in a folder."""
    path = folder / "camera.toml"
    path.write_text(SCENARIO)
    return load(str(path), {name.replace("__", "."): value for name, value in overrides.items()})
