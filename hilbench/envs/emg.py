"""Gestures of a hand as muscles show them to electrodes on the skin. It must not know who tells them apart."""

from __future__ import annotations

from math import cos, exp, pi, sin
from typing import Annotated, Any, ClassVar

import msgspec
import numpy as np
from msgspec import Meta
from numpy.typing import NDArray
from scipy.signal import butter, lfilter

from hilbench.envs._picture import Mark, draw
from hilbench.envs._stream import StreamConfig, StreamPlant, labels
from hilbench.envs.disturbances import Traits
from hilbench.types import PlantSpec

CLASSES = ("fist", "open", "flex", "extend", "pinch")
SCORES = tuple(f"score_{name}" for name in CLASSES)
ELECTRODES = tuple(f"e{number}" for number in range(8))
PLACES_RAD = 2 * pi * np.arange(8) / 8
"""Where the electrodes are around the forearm."""
MUSCLES_RAD = np.array([0.2, 1.6, 2.9, 4.6])
PROFILES = np.array(
    [
        [0.60, 0.30, 0.05, 0.05],
        [0.05, 0.60, 0.30, 0.05],
        [0.05, 0.05, 0.60, 0.30],
        [0.30, 0.05, 0.05, 0.60],
        [0.35, 0.25, 0.20, 0.20],
    ]
)
"""How strongly each gesture drives each muscle: shares, so that the whole says nothing."""
REACH_RAD = 0.9
"""How far around the arm a muscle is felt: the standard deviation of a Gaussian."""
LOW_HZ, HIGH_HZ = 20.0, 350.0
FORCE_STD, SLIP_RAD, OWN, SHARED = 0.2, 0.08, 0.8, 0.6
"""How much the force of a gesture differs, in ln; how far the sleeve slips; and which part of a muscle's signal is each
electrode's own, and which is the same at all."""
HEIGHT, WIDTH, RING_PX, CENTRE_PX = 360, 480, 105.0, (240.0, 150.0)
PAPER, ARM, ELECTRODE = (246, 246, 242), (226, 206, 186), (41, 107, 191)
LEVEL_MV = 4.0
"""A muscle's own signal, of a gesture of average force."""


class Emg(StreamPlant):
    """Eight electrodes around a forearm feel four muscles, and tell which of five gestures it was.

    ## Description
    Each sample is a gesture: four muscles at fixed places around the arm are active by its profile, each more or less
    by a factor of exp(`variation` x N), and their shares add up to 1. A muscle's signal is noise of 20 to 350 Hz that
    rises within about 0.1 s. An electrode feels each by a Gaussian of the angle between them, in part the same as the
    others do, in part of its own, and adds white noise. Force differs from sample to sample by exp(0.2 N), and the
    sleeve slips by 0.08 rad: so the number of events says next to nothing.

    All of it is made up, by a generator that the seed decides; no person's recordings are in it. The usual disturbance
    is `electrodes_moved`, a sleeve that was put on in another way. The sensor `delta` makes events of the electrodes.

    ## Action Space
    `Box(-1000, 1000, (5,), float32)`: a score for each gesture, `score_fist` to `score_pinch`. The largest one counts,
    `decide_s` after the sample.

    ## Observation Space
    `Box((13,), float32)`, as sensed.

    | Num | Observation | Unit | Bound |
    |---|---|---|---|
    | 0 to 7 | e0 to e7, what electrodes feel | mV | 1e3 |
    | 8 to 12 | is_fist, is_open, is_flex, is_extend, is_pinch: 1 while the label is shown | 1 | 1 |

    ## Rewards
    1 / `n_samples` for a decision that is right: an episode's return is the share of right ones.

    ## Starting State
    The first sample begins at once.

    ## Episode End
    Terminates after `n_samples`. `gym.make` truncates after 1 000 000 steps, which is 1000 s at the default control
    period.

    ## Arguments
    `gym.make("hilbench:hilbench/Emg-v0", ...)`, which imports hilbench first, in workers too, takes
    `control_period_s`, `disturbances`, `sensors`, `render_mode`, and the fields of `Config`.

    `info` holds, at reset and every step: `t_s`; `label`, which gesture it is, from 0; `chosen`, the last decision, -1
    before the first; `correct`, 1 where that was right; `decided`, 1 in the control period after a decision;
    `turned_rad`, how far the sleeve is turned; `gain_0` to `gain_7`, what electrodes' signals are multiplied by;
    `disturbances`, how many act.

    ## Version History
    * v0: first version.
    """

    class Config(StreamConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
        variation: Annotated[float, Meta(ge=0, le=5)] = 0.5
        """How much the muscles' shares differ from sample to sample, in ln."""
        noise_mv: Annotated[float, Meta(ge=0, le=100)] = 0.06
        """White noise of each electrode."""

    env_id: ClassVar[str] = "hilbench/Emg-v0"
    max_episode_steps: ClassVar[int] = 1_000_000
    classes = CLASSES
    channels = ELECTRODES
    info_units: ClassVar[dict[str, str]] = {"turned_rad": "rad", **{f"gain_{k}": "1" for k in range(8)}}
    metadata: ClassVar[dict[str, Any]] = {
        "render_modes": ["rgb_array"],
        "render_fps": 1000,
        "obs_names": (*ELECTRODES, *labels(CLASSES)),
        "obs_units": ("mV",) * 8 + ("1",) * 5,
        "action_names": SCORES,
        "action_units": ("1",) * 5,
    }
    traits = Traits(sensors=(*ELECTRODES, *labels(CLASSES)), actuators=SCORES, n_electrodes=8)
    obs_high = (1e3,) * 8 + (1.0,) * 5

    @property
    def own_spec(self) -> PlantSpec:
        """That of a stream; and as constants what is known of arm, electrodes and gestures."""
        own, config = super().own_spec, self.config
        known = {"reach_rad": REACH_RAD, "slip_rad": SLIP_RAD, "force_std": FORCE_STD, "level_mv": LEVEL_MV}
        known |= {"own": OWN, "shared": SHARED, "low_hz": LOW_HZ, "high_hz": HIGH_HZ}
        known |= {"variation": config.variation, "noise_mv": config.noise_mv}
        known |= {f"muscle_{k}_rad": float(angle) for k, angle in enumerate(MUSCLES_RAD)}
        for name, profile in zip(CLASSES, PROFILES, strict=True):
            known |= {f"{name}_{k}": float(share) for k, share in enumerate(profile)}
        return msgspec.structs.replace(own, parameters=own.parameters | known)

    def draw(self, random: np.random.Generator, label: int, n_steps: int, n_sample: int) -> NDArray[np.float64]:
        config, loads = self.config, self.loads
        shares = PROFILES[label] * np.exp(config.variation * random.standard_normal(4))
        shares /= shares.sum()
        at_s = config.physics_step_s * np.arange(n_steps)
        begins_s, rise_s = random.uniform(0.03, 0.12), random.uniform(0.05, 0.12)
        risen = np.clip((at_s - begins_s) / rise_s, 0, 1) * (np.arange(n_steps) < n_sample)
        level_mv = LEVEL_MV * exp(FORCE_STD * random.standard_normal())
        reach = felt(loads.electrodes_turn_rad + SLIP_RAD * random.standard_normal())
        same, own = (self._noise(random, n_steps, n) for n in (4, 8))
        signals = SHARED * level_mv * (same * shares) @ reach.T
        signals += OWN * LEVEL_MV * np.sqrt((reach**2) @ (shares**2)) * own
        signals *= risen[:, None]
        signals += config.noise_mv * random.standard_normal((n_steps, 8))
        return signals * loads.electrode_gains if loads.electrode_gains else signals

    def _noise(self, random: np.random.Generator, n_steps: int, n: int) -> NDArray[np.float64]:
        """Noise of a muscle's band, (n_steps, n)."""
        half_hz = 0.5 / self.config.physics_step_s
        above, below = butter(2, (LOW_HZ / half_hz, min(HIGH_HZ / half_hz, 0.99)), "band")
        return lfilter(above, below, random.standard_normal((n_steps, n)), axis=0)

    def about(self) -> dict[str, float]:
        gains = self.loads.electrode_gains or [1.0] * 8
        return {"turned_rad": self.loads.electrodes_turn_rad, **{f"gain_{k}": gain for k, gain in enumerate(gains)}}

    def render(self) -> NDArray[np.uint8] | None:
        """A picture (360, 480, 3) of the arm's cross-section and its electrodes, larger the more each feels; None
        without a mode. Below is a disc for each gesture: the last decision is green where it was right, else orange,
        and the label that is shown has a ring.
        """
        if self.render_mode is None or self._index < 0:
            return None
        image = np.full((HEIGHT, WIDTH, 3), PAPER, np.float32)
        nowhere = (0.0, 0.0, 0.0)
        draw(image, Mark(nowhere, 0.8 * RING_PX, ARM), CENTRE_PX)
        x_px, y_px = CENTRE_PX
        for angle, felt_mv in zip(PLACES_RAD + self.loads.electrodes_turn_rad, self.truth, strict=False):
            at = x_px + RING_PX * cos(angle), y_px - RING_PX * sin(angle)
            draw(image, Mark(nowhere, 5.0 + min(3.0 * abs(felt_mv), 25.0), ELECTRODE), at)
        self.draw_decision(image)
        return np.rint(image).astype(np.uint8)


def felt(turned_rad: float) -> NDArray[np.float64]:
    """How strongly each electrode feels each muscle, (8, 4).

    Parameters
    ----------
    turned_rad : float
        How far the sleeve is turned.
    """
    apart = np.angle(np.exp(1j * (PLACES_RAD[:, None] + turned_rad - MUSCLES_RAD)))
    return np.exp(-0.5 * (apart / REACH_RAD) ** 2)
