"""Heartbeats on one lead, among them rare ones that begin in a ventricle. It must not know who tells them apart."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

import msgspec
import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from hilbench.envs import _beats
from hilbench.envs._beats import ABERRANT, EARLY, INTERVAL_S, LEAST_S, VENTRICULAR, WAVES, Beat, Heart
from hilbench.envs._stream import StreamConfig, StreamPlant, labels
from hilbench.envs.disturbances import Traits
from hilbench.errors import ScenarioError
from hilbench.types import PlantSpec

CLASSES = ("normal", "ventricular")
SCORES = tuple(f"score_{name}" for name in CLASSES)
AFTER_S = 0.24
"""How much of a sample lies behind R."""
HEIGHT, WIDTH, SHOWN_S, ZERO_PX, PX_PER_MV = 360, 480, 2.4, 190.0, 95.0
PAPER, LINE = (246, 246, 242), (41, 107, 191)


class Ecg(StreamPlant):
    """One lead shows heartbeats, a few of which begin in a ventricle; each is told apart as it comes.

    ## Description
    Each sample ends 240 ms after R of a beat, and is as long as it is from beat to beat: the lead goes on without a
    gap. A beat is a sum of Gaussians, P, Q, R, S and T (after McSharry et al. 2003), whose sizes and widths differ.
    Intervals are 0.82 s on average and wander. By `rare_share` a beat is ventricular: it comes early, is wide, and has
    no P and no Q. Of the others one in ten is early and narrow, and 11 of 100 are wide and in time; so neither being
    early nor being wide alone gives a ventricular beat away. Breathing moves the baseline, and there is white noise.

    All of it is made up, by a generator that the seed decides; it is no patient's, and tells nothing about one. The
    usual disturbance is `lead_changed`, another patient and another place of the electrodes. The sensor `delta` makes
    events of the lead.

    ## Action Space
    `Box(-1000, 1000, (2,), float32)`: `score_normal` and `score_ventricular`. The larger one counts, `decide_s` after
    the sample, which is 250 ms after R.

    ## Observation Space
    `Box((3,), float32)`, as sensed.

    | Num | Observation | Unit | Bound |
    |---|---|---|---|
    | 0 | lead | mV | 1e3 |
    | 1, 2 | is_normal, is_ventricular: 1 while the label is shown | 1 | 1 |

    ## Rewards
    1 / `n_samples` for a decision that is right. Who always says normal gets nine tenths: `target` and `alarm` are
    there for an F1.

    ## Starting State
    R of the beat before was 260 ms ago.

    ## Episode End
    Terminates after `n_samples` beats. `gym.make` truncates after 1 000 000 steps, which is 1000 s at the default
    control period.

    ## Arguments
    `gym.make("hilbench:hilbench/Ecg-v0", ...)`, which imports hilbench first, in workers too, takes
    `control_period_s`, `disturbances`, `sensors`, `render_mode`, and the fields of `Config`.

    `info` holds, at reset and every step: `t_s`; `label`, which beat it is, 1 for a ventricular one; `chosen`, the last
    decision, -1 before the first; `correct`, 1 where that was right; `decided`, 1 in the control period after a
    decision; `target`, 1 where the beat that was decided on last is ventricular; `alarm`, 1 where that was said of it;
    `gain_p` to `gain_t`, `interval_scale` and `noise_scale`, what the lead's waves, the time from beat to beat and the
    noise are multiplied by; `disturbances`, how many act.

    ## Version History
    * v0: first version.
    """

    class Config(StreamConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
        sample_s: Annotated[float, Meta(gt=0, le=100)] = 0.54
        """Which part of the lead before a decision tells a beat. From one decision to the next it is a beat's time."""
        decide_s: Annotated[float, Meta(gt=0, le=100)] = 0.01
        reveal_s: Annotated[float, Meta(gt=0, le=100)] = 0.01
        rest_s: Annotated[float, Meta(ge=0, le=100)] = 0.0
        n_samples: Annotated[int, Meta(ge=1, le=1_000_000)] = 50
        rare_share: Annotated[float, Meta(ge=0, le=0.5)] = 0.1
        """The share of ventricular beats."""
        noise_mv: Annotated[float, Meta(ge=0, le=100)] = 0.02
        """White noise of the lead."""

    env_id: ClassVar[str] = "hilbench/Ecg-v0"
    max_episode_steps: ClassVar[int] = 1_000_000
    classes = CLASSES
    channels = ("lead",)
    info_units: ClassVar[dict[str, str]] = {
        name: "1" for name in ("target", "alarm", *(f"gain_{wave}" for wave in WAVES), "interval_scale", "noise_scale")
    }
    metadata: ClassVar[dict[str, Any]] = {
        "render_modes": ["rgb_array"],
        "render_fps": 1000,
        "obs_names": ("lead", *labels(CLASSES)),
        "obs_units": ("mV", "1", "1"),
        "action_names": SCORES,
        "action_units": ("1",) * 2,
    }
    traits = Traits(sensors=("lead", *labels(CLASSES)), actuators=SCORES, waves=WAVES)
    obs_high = (1e3, 1.0, 1.0)
    around: tuple[Beat, Beat, Beat]
    """The beat before the present one, that, and the next."""
    windows = staticmethod(_beats.windows)
    """Cut-outs of leads around beats, for laws that know what makes them."""

    @property
    def own_spec(self) -> PlantSpec:
        """That of a stream, whose samples differ in length: it states no `trial_s`."""
        own, config = super().own_spec, self.config
        busy_s = AFTER_S + config.decide_s + config.reveal_s + config.rest_s
        if busy_s > LEAST_S:
            found = f"found {busy_s - AFTER_S:g} s"
            allowed = f"at most {LEAST_S - AFTER_S:g} s together, for beats may be {LEAST_S} s apart"
            raise ScenarioError(f"plant: decide_s, reveal_s and rest_s: {found}; allowed: {allowed}")
        known = {name: value for name, value in own.parameters.items() if name != "trial_s"}
        known |= {"after_s": AFTER_S, "interval_s": INTERVAL_S, "least_s": LEAST_S, "noise_mv": config.noise_mv}
        known |= {"rare_share": config.rare_share, "early_share": EARLY, "aberrant_share": ABERRANT}
        return msgspec.structs.replace(own, parameters=known)

    def begin(self, random: np.random.Generator) -> None:
        super().begin(random)
        # The heart's numbers are its own, so that it beats alike whatever the noise draws.
        self._heart = Heart(random.spawn(1)[0], self.config.rare_share)
        self._phase_rad = random.uniform(0, 2 * np.pi)
        self._past_mv = np.zeros(0)

    def pick(self, random: np.random.Generator) -> int:
        scale = self.loads.interval_scale
        if self._begun:
            _, before, beat = self.around
            self.around = before, beat, self._next(scale)
        else:
            self.around = self._next(scale), self._next(scale), self._next(scale)
        return int(self.around[1].kind == VENTRICULAR)

    def _next(self, interval_scale: float) -> Beat:
        """The heart's next beat, on a physics step."""
        beat, step_s = self._heart.beat(interval_scale), self.config.physics_step_s
        return beat._replace(interval_s=round(beat.interval_s / step_s) * step_s)

    def draw(self, random: np.random.Generator, label: int, n_steps: int, n_sample: int) -> NDArray[np.float64]:
        step_s, loads = self.config.physics_step_s, self.loads
        self._past_mv = np.concatenate([self._past_mv, self._signals[:, 0]])[-round(SHOWN_S / step_s) :]
        n_beat = round(self.around[1].interval_s / step_s)
        n_after = round(AFTER_S / step_s) + n_steps - n_sample
        at_s = step_s * (np.arange(n_beat) - (n_beat - n_after))
        gains = np.array(loads.wave_gains or [1.0] * len(WAVES))
        found = _beats.seen_mv(self.around, at_s, gains)
        found += _beats.wander_mv(step_s * (self._index + np.arange(n_beat)), self._phase_rad)
        found += self.config.noise_mv * loads.lead_noise_scale * random.standard_normal(n_beat)
        return found[:, None]

    def about(self) -> dict[str, float]:
        alarm, loads = self._chosen == 1, self.loads
        target = self._chosen >= 0 and alarm == bool(self._correct)  # of two classes, a wrong one is the other
        gains = loads.wave_gains or [1.0] * len(WAVES)
        return {
            "target": float(target),
            "alarm": float(alarm),
            **{f"gain_{wave}": gain for wave, gain in zip(WAVES, gains, strict=True)},
            "interval_scale": loads.interval_scale,
            "noise_scale": loads.lead_noise_scale,
        }

    def render(self) -> NDArray[np.uint8] | None:
        """A picture (360, 480, 3) of the lead's last 2.4 s, the older the paler; None without a mode. Below is a disc
        for each class: the last decision is green where it was right, else orange, and the label that is shown has a
        ring.
        """
        if self.render_mode is None or self._index < 0:
            return None
        image = np.full((HEIGHT, WIDTH, 3), PAPER, np.float32)
        _trace(image, np.concatenate([self._past_mv, self._signals[: self._index - self._began + 1, 0]]), self.config)
        self.draw_decision(image)
        return np.rint(image).astype(np.uint8)


def _trace(image: NDArray[np.float32], lead_mv: NDArray[np.float64], config: Ecg.Config) -> None:
    """Draw the newest of a lead's samples as a line that ends on the right."""
    age = np.arange(WIDTH)[::-1] * SHOWN_S / WIDTH / config.physics_step_s
    held = np.pad(lead_mv, (round(SHOWN_S / config.physics_step_s), 0), mode="edge")
    rows = np.clip(ZERO_PX - PX_PER_MV * held[len(held) - 1 - np.rint(age).astype(int)], 5, 295).astype(int)
    for column in range(1, WIDTH):
        first, last = sorted((rows[column - 1], rows[column]))
        fade = column / WIDTH
        image[first - 1 : last + 2, column] = np.array(LINE) * fade + np.array(PAPER) * (1 - fade)
