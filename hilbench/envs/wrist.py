"""A watch on a wrist feels which exercise an arm does. It must not know who tells them apart."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

import msgspec
import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from hilbench.envs._packaged import dealt, wrist
from hilbench.envs._recorded import changes
from hilbench.envs._stream import StreamConfig, StreamPlant, eased, labels
from hilbench.envs.disturbances import Traits
from hilbench.errors import ScenarioError, allowed_hint
from hilbench.types import PlantSpec

CLASSES = ("pendulum", "abduction", "elevation", "internal", "external", "trapezius", "row")
"""The exercises, in the order of the recordings' labels: PEN, ABD, FEL, IR, ER, TRAP, ROW."""
SCORES = tuple(f"score_{name}" for name in CLASSES)
FELT = ("ax", "ay", "az", "wx", "wy", "wz")
RECORDED_HZ, N_PEOPLE = 50, 10
RISE_S = 0.1
"""How long channels take from their means into a sample."""
HEIGHT, WIDTH, SHOWN_S, ROW_PX = 360, 480, 2.0, 46
PAPER, LINES = (246, 246, 242), ((41, 107, 191), (233, 84, 32))
HALF = (3.0, 3.0, 3.0, 6.0, 6.0, 6.0)
"""What reaches from the middle of a channel's row in a picture to its border."""
Subject = Annotated[int, Meta(ge=1, le=N_PEOPLE)]


class Wrist(StreamPlant):
    """A watch feels two seconds of an exercise, sample after sample; which of seven it was is to be told.

    ## Description
    Each sample is a cut-out of a recording of a watch's accelerometer and gyroscope, 50 times a second, while somebody
    did one of seven exercises of the shoulder: pendulum, abduction, forward elevation, internal and external rotation,
    trapezius extension or upright row. Where in a repetition a sample begins is by chance. Between samples each channel
    has its mean over all recordings, from which it goes into the sample within 0.1 s: so how the watch is held is told
    by events too.

    Recordings are real: 140 of them, 81 minutes, of ten people with the watch on the right or the left wrist, from
    `load_watch` of the package seglearn: D. Burns, N. Leung, M. Hardisty, C. Whyne, P. Henry and S. McLachlin,
    "Shoulder physiotherapy exercise recognition: machine learning the inertial signals from a smartwatch" (2018),
    arXiv:1802.01489. The data come with the package under its licence, BSD-3-Clause, which names no other one for
    them. They are read from where it is installed (extra `datasets`). It says neither units nor axes: accelerations are
    taken for g and rates for rad/s, by their size.

    Samples are of the people in `sources`. The usual disturbance is `source_changed`: others wear the watch from then
    on. All cut-outs of the same people lie in one order for good, and an episode gets as many of them as it has
    samples, in an order of its own: the share whose number is its seed, modulo how many whole shares there are. So
    no cut-out comes twice in as many episodes, whose seeds are in a row, as there are shares. Cut-outs of one
    recording resemble each other more than those of two.

    ## Action Space
    `Box(-1000, 1000, (7,), float32)`: a score for each exercise, `score_pendulum` to `score_row`. The largest one
    counts, `decide_s` after the sample.

    ## Observation Space
    `Box((13,), float32)`, as sensed.

    | Num | Observation | Unit | Bound |
    |---|---|---|---|
    | 0 to 2 | ax, ay, az, accelerations | g | 1e3 |
    | 3 to 5 | wx, wy, wz, rates | rad/s | 1e3 |
    | 6 to 12 | is_pendulum to is_row: 1 while the label is shown | 1 | 1 |

    ## Rewards
    1 / `n_samples` for a decision that is right: an episode's return is the share of right ones. Exercises are as
    frequent as in the recordings, from 11 to 17 of 100.

    ## Starting State
    The first sample begins at once.

    ## Episode End
    Terminates after `n_samples`. `gym.make` truncates after 1 000 000 steps, which is 1000 s at the default control
    period.

    ## Arguments
    `gym.make("hilbench:hilbench/Wrist-v0", ...)`, which imports hilbench first, in workers too, takes
    `control_period_s`, `disturbances`, `sensors`, `render_mode`, and the fields of `Config`. Raises MissingExtra
    without seglearn.

    `info` holds, at reset and every step: `t_s`; `label`, which exercise it is, from 0; `chosen`, the last decision, -1
    before the first; `correct`, 1 where that was right; `decided`, 1 in the control period after a decision;
    `subject`, who wears the watch; `disturbances`, how many act.

    ## Version History
    * v0: first version.
    """

    class Config(StreamConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
        sample_s: Annotated[float, Meta(ge=0.1, le=10)] = 2.0
        """How long a cut-out is."""
        rest_s: Annotated[float, Meta(ge=0, le=100)] = 0.2
        sources: Annotated[tuple[Subject, ...], Meta(min_length=1)] = (3, 4, 5, 7, 8)
        """Who wears the watch: of each cut-out one of them."""

    env_id: ClassVar[str] = "hilbench/Wrist-v0"
    max_episode_steps: ClassVar[int] = 1_000_000
    classes = CLASSES
    channels = FELT
    info_units: ClassVar[dict[str, str]] = {"subject": "1"}
    metadata: ClassVar[dict[str, Any]] = {
        "render_modes": ["rgb_array"],
        "render_fps": 1000,
        "obs_names": (*FELT, *labels(CLASSES)),
        "obs_units": ("g",) * 3 + ("rad/s",) * 3 + ("1",) * 7,
        "action_names": SCORES,
        "action_units": ("1",) * 7,
    }
    traits = Traits(sensors=(*FELT, *labels(CLASSES)), actuators=SCORES, recorded=True)
    obs_high = (1e3,) * 6 + (1.0,) * 7

    def __init__(self, **arguments: Any) -> None:
        super().__init__(**arguments)
        self._worn = wrist(round(self.config.sample_s * RECORDED_HZ))
        known = [str(1 + k) for k in range(N_PEOPLE)]
        for where, sources in changes(self.disturbances).items():
            for name in set(map(str, sources)).difference(known):
                raise ScenarioError(f"{where}.sources: found {name!r}; {allowed_hint(name, known)}")

    @property
    def own_spec(self) -> PlantSpec:
        """That of a stream, and how often the watch was read."""
        own = super().own_spec
        return msgspec.structs.replace(own, parameters=own.parameters | {"recorded_hz": float(RECORDED_HZ)})

    def begin(self, random: np.random.Generator) -> None:
        super().begin(random)
        self._order = random.permutation(self.config.n_samples)
        self._window, self._past = 0, np.zeros((0, len(FELT)))

    def pick(self, random: np.random.Generator) -> int:
        who = tuple(map(int, self.loads.sources)) or self.config.sources
        theirs = np.flatnonzero(np.isin(self._worn.subjects, who))
        items = theirs[dealt(self.episode_seed, len(theirs), len(self._order))]
        self._window = int(items[self._order[self._begun % len(items)]])
        return int(self._worn.labels[self._window])

    def draw(self, random: np.random.Generator, label: int, n_steps: int, n_sample: int) -> NDArray[np.float64]:
        self._past = np.concatenate([self._past, self._signals])[-round(SHOWN_S / self.config.physics_step_s) :]
        felt, rest = self._worn.windows[self._window], self._worn.rest
        at = RECORDED_HZ * self.config.physics_step_s * np.arange(n_steps)
        # It stays as it was last while it is decided and the label is shown.
        found = np.stack([np.interp(at, np.arange(len(felt)), channel) for channel in felt.T], 1)
        found[self._usual[2] :] = rest
        risen = eased(self.config.physics_step_s * np.arange(1, n_steps + 1) / RISE_S)
        return rest + risen[:, None] * (found - rest)

    def about(self) -> dict[str, float]:
        return {"subject": float(self._worn.subjects[self._window])}

    def render(self) -> NDArray[np.uint8] | None:
        """A picture (360, 480, 3) of the channels' last 2 s, one below the other, accelerations in blue, the older the
        paler; None without a mode. Below is a disc for each exercise: the last decision is green where it was right,
        else orange, and the label that is shown has a ring.
        """
        if self.render_mode is None or self._index < 0:
            return None
        image = np.full((HEIGHT, WIDTH, 3), PAPER, np.float32)
        seen = np.concatenate([self._past, self._signals[: self._index - self._began + 1]])
        age = np.rint(np.arange(WIDTH)[::-1] * SHOWN_S / WIDTH / self.config.physics_step_s).astype(int)
        shown = seen[np.maximum(len(seen) - 1 - age, 0)]
        for k, half in enumerate(HALF):
            rows = 5 + ROW_PX * (k + 0.5 - 0.5 * np.clip(shown[:, k] / half, -1, 1))
            _trace(image, rows.astype(int), np.array(LINES[k >= 3]))
        self.draw_decision(image)
        return np.rint(image).astype(np.uint8)


def _trace(image: NDArray[np.float32], rows: NDArray[np.int64], colour: NDArray[np.int64]) -> None:
    """Draw a line that passes a row in each column, and fades to the left."""
    for column in range(1, WIDTH):
        first, last = sorted(rows[column - 1 : column + 1])
        fade = column / WIDTH
        image[first : last + 2, column] = colour * fade + np.array(PAPER) * (1 - fade)
