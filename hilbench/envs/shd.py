"""The Spiking Heidelberg Digits, from the set's own files. It must not know who tells them apart."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, ClassVar

import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from hilbench.envs._recorded import PlayingPlant, RecordedConfig, Sample, file_in
from hilbench.envs._stream import labels
from hilbench.envs.disturbances import Traits
from hilbench.errors import MissingExtra, ScenarioError

CLASSES = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine",
    "null", "eins", "zwei", "drei", "vier", "fuenf", "sechs", "sieben", "acht", "neun",
)  # fmt: skip
"""The digits in English and in German, as the set's labels 0 to 19 have them."""
SCORES = tuple(f"score_{name}" for name in CLASSES)
N_CHANNELS = 700
TIMES, UNITS, LABELS, SPEAKERS = "spikes/times", "spikes/units", "labels", "extra/speaker"
"""What of a file is read."""
EAR = {"kind": "recorded", "shape": [N_CHANNELS]}
"""What there is where nobody says what there is: each channel by itself."""


class SHD(PlayingPlant):
    """People say digits in English and German, heard by a model of the ear with 700 channels, word after word.

    ## Description
    Each sample is an utterance of the Spiking Heidelberg Digits (Cramer, Stradmann, Schemmel & Zenke 2022, IEEE
    Transactions on Neural Networks and Learning Systems 33:2744), from the set's own files, `shd_train.h5` and
    `shd_test.h5`, in a folder that you name: hilbench brings none of them. Its spikes come at the set's own times; what
    is later than `sample_s` is cut off. No utterance comes twice in an episode; the next episode draws anew.

    Sources are speakers, by the set's numbers: the usual disturbance is `source_changed`, other people speak. Unless
    `sensors` says otherwise, the sensor `ear` gives all 700 channels.

    ## Action Space
    `Box(-1000, 1000, (20,), float32)`: a score for each word, `score_zero` to `score_neun`. The largest one counts,
    `decide_s` after the sample.

    ## Observation Space
    `Box((21,), float32)`, as sensed.

    | Num | Observation | Unit | Bound |
    |---|---|---|---|
    | 0 | n_events, spikes of all channels in the physics step that begins | 1 | 1e6 |
    | 1 to 20 | is_zero to is_neun, in the order of scores: 1 while the label is shown | 1 | 1 |

    ## Rewards
    1 / `n_samples` for a decision that is right: an episode's return is the share of right ones.

    ## Starting State
    The first sample begins at once.

    ## Episode End
    Terminates after `n_samples`. `gym.make` truncates after 1 000 000 steps, which is 1000 s at the default control
    period.

    ## Arguments
    `gym.make("hilbench:hilbench/SHD-v0", folder=..., ...)`, which imports hilbench first, in workers too, takes
    `control_period_s`, `disturbances`, `sensors`, and the fields of `Config`. It needs `pip install
    "hilbench[datasets]"`.

    `info` holds, at reset and every step: `t_s`; `label`, which word it is, from 0; `chosen`, the last decision, -1
    before the first; `correct`, 1 where that was right; `decided`, 1 in the control period after a decision; `sample`,
    which of the set's utterances it is, from 0 in the order of `files`; `disturbances`, how many act.

    ## Version History
    * v0: first version.
    """

    class Config(RecordedConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
        sample_s: Annotated[float, Meta(gt=0, le=100)] = 1.4
        """How long a sample is; what of an utterance is longer is cut off."""
        files: Annotated[tuple[str, ...], Meta(min_length=1)] = ("shd_train.h5", "shd_test.h5")
        """Which files of the folder count, and in which order."""

    env_id: ClassVar[str] = "hilbench/SHD-v0"
    max_episode_steps: ClassVar[int] = 1_000_000
    classes = CLASSES
    shape = (N_CHANNELS,)
    metadata: ClassVar[dict[str, Any]] = {
        "render_modes": [],
        "obs_names": ("n_events", *labels(CLASSES)),
        "obs_units": ("1",) * (1 + len(CLASSES)),
        "action_names": SCORES,
        "action_units": ("1",) * len(CLASSES),
    }
    traits = Traits(sensors=("n_events", *labels(CLASSES)), actuators=SCORES, recorded=True)
    obs_high = (1e6,) + (1.0,) * len(CLASSES)

    def __init__(self, *, sensors: Mapping[str, Any] | None = None, **arguments: Any) -> None:
        super().__init__(sensors={"ear": EAR} if sensors is None else sensors, **arguments)

    def find(self, folder: Path) -> list[Sample]:
        found = []
        for path in [file_in(folder, name) for name in self.config.files]:
            with _opened(path) as file:
                columns = [np.asarray(file[name]) for name in (LABELS, SPEAKERS)]
                sizes = [len(file[name]) for name in (TIMES, UNITS, LABELS, SPEAKERS)]
            if len(set(sizes)) > 1:
                raise ScenarioError(f"{path}: found times, units, labels and speakers of {sizes} samples")
            for row, (label, speaker) in enumerate(zip(*(column.tolist() for column in columns), strict=True)):
                if label not in range(len(CLASSES)):
                    raise ScenarioError(f"{path}: labels[{row}]: found {label}; allowed: 0 to {len(CLASSES) - 1}")
                found.append(Sample(label, (str(speaker),), (path, row)))
        return found

    def take(self, sample: Sample, until_us: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        path, row = sample.place
        with _opened(path) as file:
            times_s, channels = (np.asarray(file[name][row]) for name in (TIMES, UNITS))
        times_s, channels = times_s.astype(float), channels.astype(np.int64)
        if times_s.shape != channels.shape or times_s.ndim != 1:
            found = f"found {times_s.size} times and {channels.size} units"
            raise ScenarioError(f"{path}: sample {row}: {found}; allowed: as many")
        if channels.min(initial=0) < 0 or channels.max(initial=0) >= N_CHANNELS:
            found = f"found units {channels.min()} to {channels.max()}"
            raise ScenarioError(f"{path}: sample {row}: {found}; allowed: 0 to {N_CHANNELS - 1}")
        if not (np.isfinite(times_s).all() and times_s.min(initial=0) >= 0):
            raise ScenarioError(f"{path}: sample {row}: found times that are none; allowed: s from 0 on")
        return np.rint(times_s * 1e6).astype(np.int64), channels


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """A file of the set. Raises ScenarioError where it is none, or damaged."""
    try:
        import h5py
    except ImportError as error:
        raise MissingExtra("h5py", "datasets") from error
    try:
        with h5py.File(path, "r") as file:
            yield file
    except KeyError:
        needed = ", ".join((TIMES, UNITS, LABELS, SPEAKERS))
        raise ScenarioError(f"{path}: not a file of SHD; allowed: one that holds {needed}") from None
    except (OSError, RuntimeError, TypeError, ValueError) as error:
        raise ScenarioError(f"{path}: cannot be read as HDF5: {' '.join(str(error).split())}") from None
