"""Words as a voice says them before one ear. It must not know who tells them apart."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from hilbench.envs._speech import WORDS, said, voice
from hilbench.envs._stream import StreamConfig, StreamPlant, labels
from hilbench.envs.disturbances import Traits
from hilbench.envs.sensors import Ear, Sounds
from hilbench.errors import ScenarioError, allowed_hint

SOUND_HZ = 16_000.0
AWAY_M = 1.0
"""How far the mouth is from the ear."""
BREATH = 0.01
"""White noise of the mouth, as a share of how loud words are on average."""
SCORES = tuple(f"score_{word}" for word in WORDS)
HEIGHT, WIDTH, SHOWN_S, TALL_PX, MIDDLE_PX = 360, 480, 0.6, 100.0, 130.0
PAPER, WAVE = (246, 246, 242), (41, 107, 191)


class Words(StreamPlant):
    """A voice says one of ten words, of the same four sounds in different orders, 1 m before an ear.

    ## Description
    Each sample is a word: an order of /a/, /i/, /u/ and /s/. A voice is a train of pulses of 90 to 160 Hz whose two
    formants glide from sound to sound within 12 ms; /s/ is a hiss. From word to word the tract differs by
    exp(`tract_std` x N), the four lengths by exp(`variation` x N) each, all of it by 10 %, its begin by 60 ms, the
    level by 3 dB. Every word has the same sounds, so that counts over the whole of it say little. The mouth breathes,
    40 dB below that.

    All of it is made up, by a generator that the seed decides; no recordings are in it. The usual disturbance is
    `speaker_changed`. The sensor `cochlea`, with the ear `near`, makes events of the sound.

    ## Action Space
    `Box(-1000, 1000, (10,), float32)`: a score for each word, `score_aius` and so on. The largest one counts,
    `decide_s` after the sample.

    ## Observation Space
    `Box((11,), float32)`, as sensed.

    | Num | Observation | Unit | Bound |
    |---|---|---|---|
    | 0 | level, root mean square of the pressure at the mouth over a physics step | Pa | 1e3 |
    | 1 to 10 | is_aius to is_suia, the words in order: 1 while the label is shown | 1 | 1 |

    ## Rewards
    1 / `n_samples` for a decision that is right: an episode's return is the share of right ones.

    ## Starting State
    The first word begins at once.

    ## Episode End
    Terminates after `n_samples`. `gym.make` truncates after 1 000 000 steps, which is 1000 s at the default control
    period.

    ## Arguments
    `gym.make("hilbench:hilbench/Words-v0", ...)`, which imports hilbench first, in workers too, takes
    `control_period_s`, `disturbances`, `sensors`, `render_mode`, and the fields of `Config`.

    `info` holds, at reset and every step: `t_s`; `label`, which word it is, from 0; `chosen`, the last decision, -1
    before the first; `correct`, 1 where that was right; `decided`, 1 in the control period after a decision; `tract`,
    `pitch` and `stretch`, what formants, pitch and length are multiplied by; `disturbances`, how many act.

    ## Version History
    * v0: first version.
    """

    class Config(StreamConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
        variation: Annotated[float, Meta(ge=0, le=5)] = 0.25
        """How much the lengths of the four sounds differ from word to word, in ln."""
        tract_std: Annotated[float, Meta(ge=0, le=1)] = 0.06
        """How much the tract differs, in ln."""
        level_pa: Annotated[float, Meta(gt=0, le=1e3)] = 0.02
        """Root mean square of a word 1 m away, 60 dB."""

    env_id: ClassVar[str] = "hilbench/Words-v0"
    max_episode_steps: ClassVar[int] = 1_000_000
    classes = WORDS
    channels = ("level",)
    info_units: ClassVar[dict[str, str]] = {"tract": "1", "pitch": "1", "stretch": "1"}
    metadata: ClassVar[dict[str, Any]] = {
        "render_modes": ["rgb_array"],
        "render_fps": 1000,
        "obs_names": ("level", *labels(WORDS)),
        "obs_units": ("Pa",) + ("1",) * len(WORDS),
        "action_names": SCORES,
        "action_units": ("1",) * len(WORDS),
    }
    traits = Traits(sensors=("level", *labels(WORDS)), actuators=SCORES, ears=("near",), speaks=True)
    obs_high = (1e3,) + (1.0,) * len(WORDS)

    def begin(self, random: np.random.Generator) -> None:
        super().begin(random)
        n = round(self._usual[-1] * self.config.physics_step_s * SOUND_HZ)
        self._sounds = Sounds(np.zeros((1, n)), SOUND_HZ)
        self._sounds.places_m[0] = AWAY_M, 0.0, 0.0

    def draw(self, random: np.random.Generator, label: int, n_steps: int, n_sample: int) -> NDArray[np.float64]:
        config, (tract, pitch, stretch) = self.config, self.loads.voice
        usual = voice(random, config.variation, config.tract_std, config.level_pa)
        now = usual._replace(
            pitch_hz=usual.pitch_hz * pitch, tract=usual.tract * tract, length_s=usual.length_s * stretch
        )
        wave, step_s = self._sounds.waves[0], config.physics_step_s
        wave[:] = 0.0
        n = min(round(n_sample * step_s * SOUND_HZ), wave.size)
        wave[:n] = said(random, WORDS[label], now, n, SOUND_HZ)
        wave += BREATH * config.level_pa * random.standard_normal(wave.size)
        self._sounds.starts_s[0] = self.time_s
        edges = np.minimum(np.round(np.arange(n_steps) * step_s * SOUND_HZ).astype(np.int64), wave.size - 1)
        lengths = np.maximum(np.diff(edges, append=wave.size), 1)
        return np.sqrt(np.add.reduceat(wave**2, edges) / lengths)[:, None]

    def about(self) -> dict[str, float]:
        return dict(zip(self.info_units, self.loads.voice, strict=True))

    def sounds(self) -> Sounds:
        """What there is to be heard: the word that is said."""
        return self._sounds

    def ear(self, name: str) -> Ear:
        """The ear, and how loud and late its microphone. Raises ScenarioError for another name than `near`."""
        if name not in self.traits.ears:
            raise ScenarioError(f"found no ear {name!r}; {allowed_hint(name, self.traits.ears)}")
        return Ear(0.0, 0.0, 0.0, 1.0, 0.0, 0.0, *self.loads.ears.get(name, (1.0, 0.0)))

    def render(self) -> NDArray[np.uint8] | None:
        """A picture (360, 480, 3) of the word's wave up to now; None without a mode. Below is a disc for each word: the
        last decision is green where it was right, else orange, and the label that is shown has a ring.
        """
        if self.render_mode is None or self._index < 0:
            return None
        image = np.full((HEIGHT, WIDTH, 3), PAPER, np.float32)
        _draw_wave(
            image, self._sounds.waves[0], (self.time_s - self._sounds.starts_s[0]) * SOUND_HZ, self.config.level_pa
        )
        self.draw_decision(image)
        return np.rint(image).astype(np.uint8)


def _draw_wave(image: NDArray[np.float32], wave: NDArray[np.float64], heard: float, level_pa: float) -> None:
    """A column for each part of the word that has been said."""
    n = round(SHOWN_S * SOUND_HZ)
    parts = np.array_split(np.where(np.arange(n) < heard, np.resize(wave, n), 0.0), WIDTH)
    for column, part in enumerate(parts):
        half_px = min(TALL_PX, 1.0 + TALL_PX * np.abs(part).max() / (4 * level_pa))
        image[round(MIDDLE_PX - half_px) : round(MIDDLE_PX + half_px), column] = WAVE
