"""Gestures of two hands before an event camera. It must not know who tells them apart."""

from __future__ import annotations

from collections.abc import Mapping
from math import cos, pi, sin
from typing import Annotated, Any, ClassVar

import msgspec
import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from hilbench.envs._picture import Mark, draw
from hilbench.envs._stream import StreamConfig, StreamPlant, eased, labels
from hilbench.envs.disturbances import Traits
from hilbench.envs.sensors import Ground, Scene, sphere
from hilbench.errors import ScenarioError, allowed_hint
from hilbench.types import PlantSpec

WAYS = {
    "circles_ll": ("circle", 1, 1), "circles_rr": ("circle", -1, -1), "circles_lr": ("circle", 1, -1),
    "circles_rl": ("circle", -1, 1), "sway": ("sideways", 1, 1), "clap": ("sideways", 1, -1),
    "lift": ("upwards", 1, 1), "drum": ("upwards", 1, -1),
}  # fmt: skip
"""How hands move in each gesture: along what, and in which sense the left one and the right one do; 1 is
counter-clockwise as the camera sees it, or in phase."""
CLASSES = tuple(WAYS)
SCORES = tuple(f"score_{name}" for name in CLASSES)
HANDS = ("left_x", "left_y", "right_x", "right_y")
"""Where hands are, from the middle of what the camera sees: x to its right, y up in its picture."""
APART_M, HIGH_M, CAMERA_M = 0.3, 1.8, 0.8
"""How far hands are apart at rest, how high they are, and how high the camera is."""
RADIUS_M, SPEED_HZ, REACH_M = (0.05, 0.075), (0.9, 1.5), (0.08, 0.125)
"""How large hands are, how often a gesture repeats, and the radius of circles: drawn evenly between both."""
AS_LONG = pi / 2
"""How much further than a circle's radius a hand swings to either side, so that its path is as long as the circle's."""
PHASE_RAD, LAG_RAD, CHIRP = pi / 4, 0.2, 0.1
"""Where a gesture begins, at most either way; standard deviations of how early or late each hand is, and of the share
by which a gesture becomes faster in a second."""
PLACE_M, WOBBLE_M, UNLIKE = 0.03, 0.025, 0.15
"""Standard deviation of a hand's middle, and of where it rests; how far a swing leaves its line; and by which share a
hand's reach is another than the gesture's at most."""
PLAIN, BRIGHTER = 0.3, (0.5, 0.9)
"""The luminance of all that is behind hands, and by how much they are brighter, in ln: drawn evenly between both."""
RISE_S = 0.12
"""How long hands take from where they rest into a gesture, and back."""
EYE = {
    "kind": "dvs", "width": 32, "height": 32, "fov_rad": 0.761, "period_s": 0.005, "threshold": 0.22, "noise_hz": 0.3,
}  # fmt: skip
"""The event camera that there is where nobody says what there is. A pixel is 2.5 cm wide at the hands."""
HEIGHT, WIDTH, HALF_PX, HALF_M = 360, 480, 140.0, 0.4
"""Of a picture; half of what the camera sees, in pixels and in m."""
PAPER, BACK, HAND = (246, 246, 242), (96, 99, 104), (226, 206, 186)


class Gestures(StreamPlant):
    """An event camera sees two hands that both move all the time, and tells which of eight gestures it was.

    ## Description
    A camera lies 1 m below two hands and looks up at them, before a plain ceiling. In a gesture both hands circle,
    in one of four pairs of directions, or both swing, sideways or up and down in its picture, in phase or
    antiphase. A circle has a radius of 8 to 12.5 cm, and repeats 0.9 to 1.5 times a second, a little faster or
    slower by the end; who swings goes by pi/2 further to either side, so that all paths are as long. Where it
    begins, up to 45 degrees, and where each hand's middle is differ too. So neither where a hand is at one instant
    nor the number of events says which gesture it is, but the order in which places are passed.

    Hands are bright spheres of 5 to 7.5 cm radius. An episode has its own: their size and luminance, and where they
    rest, are drawn when it begins. From there they go into a gesture within 0.12 s; they stand still while it is
    decided and the label is shown, and then go back.

    The camera is `front`. Unless `sensors` says otherwise, the event camera `eye` looks through it: 32 x 32 pixels,
    at 200 frames a second. `events()` gives what it told. The usual disturbance is a `camera_turn` by its
    `roll_rad`. All gestures are made up, by a generator that the seed decides; no person's recordings are in it.

    ## Action Space
    `Box(-1000, 1000, (8,), float32)`: a score for each gesture, `score_circles_ll` to `score_drum`. The largest one
    counts, `decide_s` after the sample.

    ## Observation Space
    `Box((12,), float32)`, as sensed. The first four are what no camera tells; controllers here do not use them.

    | Num | Observation | Unit | Bound |
    |---|---|---|---|
    | 0, 1 | left_x, left_y, to the right and up in the picture of a camera that is not turned | m | 10 |
    | 2, 3 | right_x, right_y | m | 10 |
    | 4 to 11 | is_circles_ll to is_drum, in the order of scores: 1 while the label is shown | 1 | 1 |

    ## Rewards
    1 / `n_samples` for a decision that is right: an episode's return is the share of right ones.

    ## Starting State
    The first sample begins at once.

    ## Episode End
    Terminates after `n_samples`. `gym.make` truncates after 1 000 000 steps, which is 1000 s at the default control
    period.

    ## Arguments
    `gym.make("hilbench:hilbench/Gestures-v0", ...)`, which imports hilbench first, in workers too, takes
    `control_period_s`, `disturbances`, `sensors`, `render_mode`, and the fields of `Config`.

    `info` holds, at reset and every step: `t_s`; `label`, which gesture it is, from 0; `chosen`, the last decision, -1
    before the first; `correct`, 1 where that was right; `decided`, 1 in the control period after a decision;
    `turned_rad`, how far the camera's left side is turned up; `disturbances`, how many act.

    ## Version History
    * v0: first version.
    """

    class Config(StreamConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
        sample_s: Annotated[float, Meta(gt=0, le=100)] = 1.0
        """How long a gesture is."""

    env_id: ClassVar[str] = "hilbench/Gestures-v0"
    max_episode_steps: ClassVar[int] = 1_000_000
    classes = CLASSES
    channels = HANDS
    info_units: ClassVar[dict[str, str]] = {"turned_rad": "rad"}
    metadata: ClassVar[dict[str, Any]] = {
        "render_modes": ["rgb_array"],
        "render_fps": 1000,
        "obs_names": (*HANDS, *labels(CLASSES)),
        "obs_units": ("m",) * 4 + ("1",) * 8,
        "action_names": SCORES,
        "action_units": ("1",) * 8,
    }
    traits = Traits(sensors=(*HANDS, *labels(CLASSES)), actuators=SCORES, cameras=("front",), lit=True)
    obs_high = (10.0,) * 4 + (1.0,) * 8

    def __init__(self, *, sensors: Mapping[str, Any] | None = None, **arguments: Any) -> None:
        super().__init__(sensors={"eye": EYE} if sensors is None else sensors, **arguments)

    @property
    def own_spec(self) -> PlantSpec:
        """That of a stream; and as constants what is known of hands."""
        own = super().own_spec
        known = {"apart_m": APART_M, "high_m": HIGH_M, "camera_m": CAMERA_M}
        known |= {"lowest_hz": SPEED_HZ[0], "highest_hz": SPEED_HZ[1]}
        known |= {"shortest_reach_m": REACH_M[0], "longest_reach_m": REACH_M[1], "phase_rad": PHASE_RAD}
        known |= {"least_radius_m": RADIUS_M[0], "largest_radius_m": RADIUS_M[1]}
        return msgspec.structs.replace(own, parameters=own.parameters | known)

    def begin(self, random: np.random.Generator) -> None:
        super().begin(random)
        middles = np.array([-APART_M / 2, 0.0, APART_M / 2, 0.0])
        self._rest = middles + PLACE_M * random.standard_normal(4)
        self._sizes_m = sizes_m = random.uniform(*RADIUS_M, 2)
        brighter = np.exp(random.uniform(*BRIGHTER, 2))
        hands = [sphere((0, 0, HIGH_M), size_m, PLAIN * more) for size_m, more in zip(sizes_m, brighter, strict=True)]
        self._scene = Scene(Ground([[PLAIN]]), hands, sky=PLAIN, grey=PLAIN)

    def draw(self, random: np.random.Generator, label: int, n_steps: int, n_sample: int) -> NDArray[np.float64]:
        step_s, rest = self.config.physics_step_s, self._rest
        at_s = step_s * np.arange(n_steps)
        # Hands stand still while it is decided and the label is shown.
        away = path(random, CLASSES[label], np.minimum(at_s, step_s * n_sample)) - rest
        back_s = step_s * self._usual[2]
        share = eased(at_s / RISE_S) * eased((back_s + RISE_S - at_s) / RISE_S)
        return rest + share[:, None] * away

    def scene(self) -> Scene:
        """Both hands where they are, under the light that there is now."""
        scene, (left_x, left_y, right_x, right_y) = self._scene, self.truth[:4]
        # The camera looks up: its picture's right is minus y, and its picture's top is minus x.
        scene.bodies[:, 1:3] = (-left_y, -left_x), (-right_y, -right_x)
        scene.brightness, scene.contrast = self.loads.brightness, self.loads.contrast
        return scene

    def camera(self, name: str) -> tuple[float, ...]:
        """Where the camera `front` is. Raises ScenarioError for another one."""
        if name != "front":
            raise ScenarioError(f"camera: found {name!r}; {allowed_hint(name, ('front',))}")
        yaw, pitch, roll = self.loads.turns.get(name, (0.0, 0.0, 0.0))
        return 0.0, 0.0, CAMERA_M, yaw, pitch - pi / 2, roll

    def about(self) -> dict[str, float]:
        return {"turned_rad": self.loads.turns.get("front", (0.0, 0.0, 0.0))[2]}

    def render(self) -> NDArray[np.uint8] | None:
        """A picture (360, 480, 3) of what the camera would see in colour, turned as it is; None without a mode. Below
        is a disc for each gesture, as `draw_decision` has it.
        """
        if self.render_mode is None or self._index < 0:
            return None
        image = np.full((HEIGHT, WIDTH, 3), PAPER, np.float32)
        middle_px, scale, turned = (WIDTH / 2, HALF_PX + 10), HALF_PX / HALF_M, self.about()["turned_rad"]
        left, top = (int(each - HALF_PX) for each in middle_px)
        seen = image[top : top + int(2 * HALF_PX), left : left + int(2 * HALF_PX)]
        seen[:] = BACK
        for x_m, y_m, size_m in zip(self.truth[0:4:2], self.truth[1:4:2], self._sizes_m, strict=True):
            right_m, up_m = x_m * cos(turned) - y_m * sin(turned), x_m * sin(turned) + y_m * cos(turned)
            draw(seen, Mark((0.0, 0.0, 0.0), scale * size_m, HAND), (HALF_PX + scale * right_m, HALF_PX - scale * up_m))
        self.draw_decision(image)
        return np.rint(image).astype(np.uint8)


def path(random: np.random.Generator, name: str, at_s: NDArray[np.float64]) -> NDArray[np.float64]:
    """Where both hands are in a gesture, as drawn, in m, (n, 4) in the order of `HANDS`.

    Parameters
    ----------
    random : numpy Generator
    name : str
        Which of `WAYS`.
    at_s : (n,) float
        Times since it began.
    """
    along, *senses = WAYS[name]
    rate_hz, reach_m = random.uniform(*SPEED_HZ), random.uniform(*REACH_M)
    begins_rad = random.uniform(-PHASE_RAD, PHASE_RAD)
    turned = 2 * pi * rate_hz * at_s * (1 + CHIRP * random.standard_normal() * at_s)
    hands = []
    for side, sense in zip((-1, 1), senses, strict=True):
        middle = np.array([side * APART_M / 2, 0.0]) + PLACE_M * random.standard_normal(2)
        own_m = reach_m * random.uniform(1 - UNLIKE, 1 + UNLIKE)
        angle = turned + begins_rad + LAG_RAD * random.standard_normal()
        if along == "circle":
            away = own_m * np.stack([np.cos(angle), sense * np.sin(angle)], 1)
        else:
            wobble = WOBBLE_M * np.sin(angle - 0.3 * turned)
            swing = np.stack([AS_LONG * own_m * sense * np.cos(angle), wobble], 1)
            away = swing if along == "sideways" else swing[:, ::-1]
        hands.append(middle + away)
    return np.concatenate(hands, 1)
