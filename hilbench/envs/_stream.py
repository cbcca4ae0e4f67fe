"""Plants that play samples of signals, one after the other, each of which is to be told apart: what they share.

Each sample is decided on when it is over, and only then its label is shown: test, then train (prequential).
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Annotated, ClassVar

import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from hilbench.envs._picture import Mark, draw
from hilbench.envs._stepped import Shown, SteppedConfig, SteppedPlant
from hilbench.types import PlantSpec

MOST = 1e3
"""The largest score of a class, either way."""
CLASS, RIGHT, WRONG = (190, 192, 194), (60, 140, 80), (233, 84, 32)
BELOW_PX, APART_PX = 35.0, 60.0
"""How far above a picture's lower border classes are drawn, and how far apart at most."""


class StreamConfig(SteppedConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When what happens in a sample. A plant states its own values as defaults."""

    sample_s: Annotated[float, Meta(gt=0, le=100)] = 0.6
    """How long a sample is."""
    decide_s: Annotated[float, Meta(gt=0, le=100)] = 0.02
    """How long after it the scores are taken that decide."""
    reveal_s: Annotated[float, Meta(gt=0, le=100)] = 0.02
    """For how long the label is shown then."""
    rest_s: Annotated[float, Meta(ge=0, le=100)] = 0.26
    """How long it is from there to the next sample."""
    n_samples: Annotated[int, Meta(ge=1, le=1_000_000)] = 25
    """Samples of an episode."""


def labels(classes: tuple[str, ...]) -> tuple[str, ...]:
    """What the observations are called that show a label, one for each class."""
    return tuple(f"is_{name}" for name in classes)


def eased(share: NDArray[np.float64]) -> NDArray[np.float64]:
    """A way from 0 to 1 that begins and ends at rest, (n,), for shares of its time; before and after it stays."""
    inside = np.clip(share, 0.0, 1.0)
    return inside * inside * (3 - 2 * inside)


class StreamPlant(SteppedPlant):
    """Samples of `classes`, drawn evenly, as signals of `channels`; an action has a score for each class.

    The class with the largest score at `decide_s` after a sample is taken for the decision; of equal ones the first. A
    plant gives `classes`, `channels` and `draw`, which makes a sample's signals; `metadata` and `traits` with
    `labels(classes)` behind its channels; and `pick` where its classes are not equally frequent. The reward of a
    right decision is 1 / `n_samples`, so that an episode's return is the share of right ones.
    """

    Config: ClassVar[type[StreamConfig]] = StreamConfig
    classes: ClassVar[tuple[str, ...]]
    channels: ClassVar[tuple[str, ...]]
    info_units: ClassVar[dict[str, str]] = {}
    """Of infos that a plant adds, by `about`."""

    @abstractmethod
    def draw(self, random: np.random.Generator, label: int, n_steps: int, n_sample: int) -> NDArray[np.float64]:
        """A sample's signals and what follows until the next one, (n_steps, n_channels).

        Where samples differ in length there may be more steps or fewer. A sample is then so much longer or shorter:
        what follows it lasts as long as ever.

        Parameters
        ----------
        random : numpy Generator
        label : int
            Which of `classes`.
        n_steps, n_sample : int
            Physics steps of all of it, and of the sample alone.
        """

    def pick(self, random: np.random.Generator) -> int:
        """Which of `classes` the next sample is of."""
        return int(random.integers(len(self.classes)))

    def about(self) -> dict[str, float]:
        """What a plant adds to `info`."""
        return {}

    @property
    def own_spec(self) -> PlantSpec:
        n, config, step_s = len(self.classes), self.config, self.config.physics_step_s
        names = ("sample_s", "decide_s", "reveal_s", "rest_s", "n_samples")
        return PlantSpec(
            **self.named,
            action_low=(-MOST,) * n,
            action_high=(MOST,) * n,
            safe_action=(0.0,) * n,
            physics_step_s=step_s,
            info_units={"t_s": "s", "label": "1", "chosen": "1", "correct": "1", "decided": "1"}
            | self.info_units
            | {"disturbances": "1"},
            error="",
            parameters={name: float(getattr(config, name)) for name in names} | {"trial_s": self._ends()[-1] * step_s},
        )

    def _ends(self) -> list[int]:
        """The steps of a trial at which its sample is over, it is decided on, the label is hidden, the next begins."""
        config, step_s = self.config, self.config.physics_step_s
        times_s = config.sample_s, config.decide_s, config.reveal_s, config.rest_s
        return np.cumsum([max(round(each / step_s), i < 3) for i, each in enumerate(times_s)]).tolist()

    def begin(self, random: np.random.Generator) -> None:
        self._usual = self._ends()
        self._random, self._signals = random, np.zeros((0, len(self.channels)))
        self._decides = self._hides = self._began = self._begun = 0
        self._label, self._chosen, self._correct, self._decided_at = 0, -1, 0.0, -1

    def move(self, forces: list[float]) -> None:
        if self._index - self._began == self._decides - 1:
            self._chosen = int(np.argmax(forces))
            self._correct = float(self._chosen == self._label)
            self._decided_at = self._index + 1

    def read(self) -> list[float]:
        step = self._index - self._began
        if step == len(self._signals):
            step = 0
            self._play()
        shown = [0.0] * len(self.classes)
        if self._decides <= step < self._hides:
            shown[self._label] = 1.0
        return [*self._signals[step].tolist(), *shown]

    def _play(self) -> None:
        """Begin the next sample."""
        over, decides, hides, trial = self._usual
        self._label = self.pick(self._random)
        self._signals = self.draw(self._random, self._label, trial, over)
        longer = len(self._signals) - trial
        self._decides, self._hides = decides + longer, hides + longer
        self._began, self._begun = self._index, self._begun + 1

    def show(self) -> Shown:
        decided = self._index - self._decided_at < self.control_steps and self._decided_at >= 0
        info = {
            "t_s": self.time_s,
            "label": float(self._label),
            "chosen": float(self._chosen),
            "correct": self._correct,
            "decided": float(decided),
            **self.about(),
            "disturbances": float(len(self._schedule.active)),
        }
        reward = self._correct / self.config.n_samples if decided else 0.0
        return self.sensed[:], reward, self._begun > self.config.n_samples, info

    def draw_decision(self, image: NDArray[np.float32]) -> None:
        """Draw a disc for each class: the last decision's is green where it was right, else orange, and that of the
        label that is shown has a ring.

        Parameters
        ----------
        image : (height, width, 3) float32
            Written over.
        """
        n, shown = len(self.classes), self.truth[len(self.channels) :]
        height, width = image.shape[:2]
        apart_px = min(APART_PX, width / (n + 0.5))
        for number in range(n):
            colour = CLASS if number != self._chosen else RIGHT if self._correct else WRONG
            at = width / 2 + apart_px * (number - (n - 1) / 2), height - BELOW_PX
            draw(image, Mark((0.0, 0.0, 0.0), 14.0, colour), at)
            if shown[number]:
                draw(image, Mark((0.0, 0.0, 0.0), 20.0, RIGHT, ring_px=3.0), at)
