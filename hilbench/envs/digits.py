"""Hand-written digits before an event camera that makes saccades. It must not know who tells them apart."""

from __future__ import annotations

from collections.abc import Mapping
from math import pi
from typing import Annotated, Any, ClassVar

import msgspec
import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from hilbench.envs._packaged import dealt, digits
from hilbench.envs._stream import StreamConfig, StreamPlant, labels
from hilbench.envs.disturbances import Traits
from hilbench.envs.sensors import Ground, Scene
from hilbench.errors import ScenarioError, allowed_hint
from hilbench.types import PlantSpec

CLASSES = tuple("0123456789")
SCORES = tuple(f"score_{name}" for name in CLASSES)
GAZE = ("gaze_x", "gaze_y")
"""Where the camera is above the sheet, from the middle of the first digit: x along the line, y up it."""
N_IMAGES, SIDE = 1797, 8
"""How many images there are, and how many pixels each is wide and high."""
DOT_M, APART, HIGH_M = 0.0025, 16, 0.1
"""How wide a pixel of an image is on the sheet, how many of those it is from digit to digit, how high the camera is."""
PAPER, INK = 0.6, 1.0
"""The luminance of the sheet, and how much darker full ink is, in ln."""
CORNERS_M = np.array([[-2.0, -1.5], [2.0, -1.5], [0.0, 2.0], [-2.0, -1.5]]) * 1e-3
"""Between which points the three saccades of a sample go, from the digit's middle."""
SLIP_M = 0.7e-3
"""Standard deviation of how far they miss the middle, along x and y."""
EYE = {
    "kind": "dvs", "width": 32, "height": 32, "fov_rad": 0.3173, "period_s": 0.005, "threshold": 0.22, "noise_hz": 0.2,
}  # fmt: skip
"""The event camera that there is where nobody says what there is. A pixel is 1 mm wide on the sheet."""
HEIGHT, WIDTH, SHOWN_PX, SHOWN_M = 360, 480, 270, 0.032
"""Of a picture; how wide what the camera sees is in it, and on the sheet."""
AROUND = (246, 246, 242)


class Digits(StreamPlant):
    """An event camera looks at a line of hand-written digits, one after the other, and tells which each one is.

    ## Description
    A camera looks straight down on a sheet with a line of digits, 2 cm wide and 4 cm apart. On each it makes three
    saccades, a triangle of 4 mm, and only because of them it sees anything: an event camera tells changes. How far
    the triangle is off the digit's middle is drawn, 0.7 mm along either axis as a standard deviation. The camera stands
    still while it is decided and the label is shown, then is at the next digit at once: what lies between is not seen.

    The camera is `front`. Unless `sensors` says otherwise, the event camera `eye` looks through it: 32 x 32 pixels of
    1 mm on the sheet, at 200 frames a second. `events()` gives what it told. The usual disturbance is a `camera_turn`
    by its `roll_rad`.

    Digits are real: 1797 images of 8 x 8 pixels, which 13 people wrote, from scikit-learn's `load_digits`: "Optical
    Recognition of Handwritten Digits" by E. Alpaydin and C. Kaynak (1998), UCI Machine Learning Repository,
    doi:10.24432/C50P49, CC BY 4.0. They are read from the installed package (extra `datasets`), whose own licence is
    BSD-3-Clause. What is made up is the sheet, the camera and how it moves.

    All images lie in one order for good, and an episode gets as many of them as it has samples, in an order of its own:
    the share whose number is its seed, modulo how many whole shares there are. So 71 episodes of 25 samples, whose
    seeds are in a row, have no image twice.

    ## Action Space
    `Box(-1000, 1000, (10,), float32)`: a score for each digit, `score_0` to `score_9`. The largest one counts,
    `decide_s` after the sample.

    ## Observation Space
    `Box((12,), float32)`, as sensed. The first two are what no camera tells; controllers here do not use them.

    | Num | Observation | Unit | Bound |
    |---|---|---|---|
    | 0, 1 | gaze_x, gaze_y, where the camera is, from the first digit's middle along the line and up it | m | 100 |
    | 2 to 11 | is_0 to is_9: 1 while the label is shown | 1 | 1 |

    ## Rewards
    1 / `n_samples` for a decision that is right: an episode's return is the share of right ones.

    ## Starting State
    The first sample begins at once.

    ## Episode End
    Terminates after `n_samples`. `gym.make` truncates after 2 000 000 steps, which is 2000 s at the default control
    period.

    ## Arguments
    `gym.make("hilbench:hilbench/Digits-v0", ...)`, which imports hilbench first, in workers too, takes
    `control_period_s`, `disturbances`, `sensors`, `render_mode`, and the fields of `Config`. Raises MissingExtra
    without scikit-learn.

    `info` holds, at reset and every step: `t_s`; `label`, which digit it is; `chosen`, the last decision, -1 before the
    first; `correct`, 1 where that was right; `decided`, 1 in the control period after a decision; `turned_rad`, how far
    the camera's left side is turned up; `disturbances`, how many act.

    ## Version History
    * v0: first version.
    """

    class Config(StreamConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
        sample_s: Annotated[float, Meta(gt=0, le=100)] = 0.3
        """How long the three saccades take together."""
        n_samples: Annotated[int, Meta(ge=1, le=N_IMAGES)] = 25
        """Digits of an episode; no image is there twice."""

    env_id: ClassVar[str] = "hilbench/Digits-v0"
    max_episode_steps: ClassVar[int] = 2_000_000
    classes = CLASSES
    channels = GAZE
    info_units: ClassVar[dict[str, str]] = {"turned_rad": "rad"}
    metadata: ClassVar[dict[str, Any]] = {
        "render_modes": ["rgb_array"],
        "render_fps": 1000,
        "obs_names": (*GAZE, *labels(CLASSES)),
        "obs_units": ("m",) * 2 + ("1",) * 10,
        "action_names": SCORES,
        "action_units": ("1",) * 10,
    }
    traits = Traits(sensors=(*GAZE, *labels(CLASSES)), actuators=SCORES, cameras=("front",), lit=True)
    obs_high = (100.0,) * 2 + (1.0,) * 10

    def __init__(self, *, sensors: Mapping[str, Any] | None = None, **arguments: Any) -> None:
        self._images, self._labels = digits()
        super().__init__(sensors={"eye": EYE} if sensors is None else sensors, **arguments)

    @property
    def own_spec(self) -> PlantSpec:
        """That of a stream; and as constants what is known of the sheet and of saccades."""
        own = super().own_spec
        known = {"dot_m": DOT_M, "apart_m": APART * DOT_M, "high_m": HIGH_M, "slip_m": SLIP_M}
        return msgspec.structs.replace(own, parameters=own.parameters | known)

    def begin(self, random: np.random.Generator) -> None:
        super().begin(random)
        n = self.config.n_samples
        self._items = random.permutation(dealt(self.episode_seed, len(self._images), n))
        self._starts_m = SLIP_M * random.standard_normal((n, 2))
        self._starts_m[:, 0] += APART * DOT_M * np.arange(n)
        ground = Ground(line(self._images[self._items]), (-0.5 * APART * DOT_M,) * 2, DOT_M)
        self._scene = Scene(ground, grey=PAPER)

    @property
    def _place(self) -> int:
        """Which digit of the line the sample that begins is of. After the last one it stays there."""
        return min(self._begun, len(self._items) - 1)

    def pick(self, random: np.random.Generator) -> int:
        return int(self._labels[self._items[self._place]])

    def draw(self, random: np.random.Generator, label: int, n_steps: int, n_sample: int) -> NDArray[np.float64]:
        through = [np.interp(np.arange(n_steps), np.linspace(0, n_sample, 4), axis) for axis in CORNERS_M.T]
        gaze, hides = self._starts_m[self._place] + np.stack(through, 1), self._usual[2]
        gaze[hides:] = self._starts_m[min(self._place + 1, len(self._items) - 1)] + CORNERS_M[0]
        return gaze

    def scene(self) -> Scene:
        """The sheet, under the light that there is now."""
        self._scene.brightness, self._scene.contrast = self.loads.brightness, self.loads.contrast
        return self._scene

    def camera(self, name: str) -> tuple[float, ...]:
        """Where the camera `front` is. Raises ScenarioError for another one."""
        if name != "front":
            raise ScenarioError(f"camera: found {name!r}; {allowed_hint(name, ('front',))}")
        yaw, pitch, roll = self.loads.turns.get(name, (0.0, 0.0, 0.0))
        x_m, y_m = self.truth[:2]
        # It looks down, and its picture's right is the sheet's x.
        return x_m, y_m, HIGH_M, yaw + pi / 2, pitch + pi / 2, roll

    def about(self) -> dict[str, float]:
        return {"turned_rad": self.loads.turns.get("front", (0.0, 0.0, 0.0))[2]}

    def render(self) -> NDArray[np.uint8] | None:
        """A picture (360, 480, 3) of what the camera would see as a picture, turned as it is; None without a mode.
        Below is a disc for each digit, as `draw_decision` has it.
        """
        if self.render_mode is None or self._index < 0:
            return None
        image = np.full((HEIGHT, WIDTH, 3), AROUND, np.float32)
        first = (WIDTH - SHOWN_PX) // 2
        image[10 : 10 + SHOWN_PX, first : first + SHOWN_PX] = self._seen()[..., None]
        self.draw_decision(image)
        return np.rint(image).astype(np.uint8)

    def _seen(self) -> NDArray[np.float64]:
        """What the camera looks at, from 0 to 255, (SHOWN_PX, SHOWN_PX)."""
        half, turned = SHOWN_M / 2, self.about()["turned_rad"]
        right, up = np.meshgrid(np.linspace(-half, half, SHOWN_PX), np.linspace(half, -half, SHOWN_PX))
        x_m = self.truth[0] + right * np.cos(turned) + up * np.sin(turned)
        y_m = self.truth[1] + up * np.cos(turned) - right * np.sin(turned)
        column = np.floor(x_m / DOT_M + APART / 2).astype(int)
        row = np.floor(y_m / DOT_M + APART / 2).astype(int)
        ink = inked(self._images[self._items])
        return 240 * np.exp(-INK * ink[np.clip(row, 0, APART - 1), np.clip(column, 0, ink.shape[1] - 1)])


def inked(images: NDArray[np.float64]) -> NDArray[np.float64]:
    """How much ink there is on a line, (APART, n APART): each image in the middle of a square, its lowest row first.

    Parameters
    ----------
    images : (n, 8, 8) float
        From 0 to 1.
    """
    margin = (APART - SIDE) // 2
    squares = np.pad(images[:, ::-1], [(0, 0), (margin, margin), (margin, margin)])
    return np.concatenate(squares, 1)


def line(images: NDArray[np.float64]) -> NDArray[np.float64]:
    """The luminance of a line of digits, (APART, n APART), as `Ground` takes it.

    Parameters
    ----------
    images : (n, 8, 8) float
        From 0 to 1.
    """
    return PAPER * np.exp(-INK * inked(images))
