"""DVS128 Gesture, from the set's own files. It must not know who tells its gestures apart."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar

import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from hilbench.envs._aedat31 import check_aedat31, read_aedat31
from hilbench.envs._recorded import PlayingPlant, RecordedConfig, Sample, file_in
from hilbench.envs._stream import labels
from hilbench.envs.disturbances import Traits
from hilbench.errors import ScenarioError

CLASSES = (
    "clapping", "right_wave", "left_wave", "right_cw", "right_ccw", "left_cw", "left_ccw", "arm_roll", "air_drums",
    "air_guitar", "other",
)  # fmt: skip
"""As the set's labels 1 to 11 have them: which hand waves, and which arm turns clockwise or counter-clockwise."""
SCORES = tuple(f"score_{name}" for name in CLASSES)
SIDE = 128
"""Pixels of the camera, either way."""
COLUMNS = ["class", "startTime_usec", "endTime_usec"]
LABELS = "_labels.csv"
"""How the name of a trial's file of labels ends."""
EYE = {"kind": "recorded", "shape": [SIDE, SIDE, 2], "pool": 4}
"""What there is where nobody says what there is: 32 x 32 pixels."""


class DvsGesture(PlayingPlant):
    """People before an event camera make one of eleven gestures, sample after sample.

    ## Description
    Each sample is a gesture of DVS128 Gesture (Amir et al. 2017, "A Low Power, Fully Event-Based Gesture Recognition
    System", CVPR), from the set's own files in a folder that you name: hilbench brings none of them. Of a span that
    `userNN_LIGHT_labels.csv` names, the first `sample_s` are played from `userNN_LIGHT.aedat`; a span that is shorter
    is followed by nothing. No span comes twice in an episode; the next episode draws anew.

    Sources are people, as `user01`, and lightings: `fluorescent`, `fluorescent_led`, `lab`, `led` and `natural`. Of
    several, samples of any are played. The usual disturbance is `source_changed`, other people or another light.
    Unless `sensors` says otherwise, the sensor `eye` gives all 128 x 128 pixels, four by four as one.

    ## Action Space
    `Box(-1000, 1000, (11,), float32)`: a score for each gesture, `score_clapping` to `score_other`. The largest one
    counts, `decide_s` after the sample.

    ## Observation Space
    `Box((12,), float32)`, as sensed.

    | Num | Observation | Unit | Bound |
    |---|---|---|---|
    | 0 | n_events, of all pixels in the physics step that begins | 1 | 1e6 |
    | 1 to 11 | is_clapping to is_other, in the order of scores: 1 while the label is shown | 1 | 1 |

    ## Rewards
    1 / `n_samples` for a decision that is right: an episode's return is the share of right ones.

    ## Starting State
    The first sample begins at once.

    ## Episode End
    Terminates after `n_samples`. `gym.make` truncates after 1 000 000 steps, which is 1000 s at the default control
    period.

    ## Arguments
    `gym.make("hilbench:hilbench/DvsGesture-v0", folder=..., ...)`, which imports hilbench first, in workers too, takes
    `control_period_s`, `disturbances`, `sensors`, and the fields of `Config`.

    `info` holds, at reset and every step: `t_s`; `label`, which gesture it is, from 0; `chosen`, the last decision, -1
    before the first; `correct`, 1 where that was right; `decided`, 1 in the control period after a decision; `sample`,
    which of the set's spans it is, from 0 in the order of files and lines; `disturbances`, how many act.

    ## Version History
    * v0: first version.
    """

    class Config(RecordedConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
        sample_s: Annotated[float, Meta(gt=0, le=100)] = 1.0
        """How much of each span is played, from its start on."""

    env_id: ClassVar[str] = "hilbench/DvsGesture-v0"
    max_episode_steps: ClassVar[int] = 1_000_000
    classes = CLASSES
    shape = (SIDE, SIDE, 2)
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
        super().__init__(sensors={"eye": EYE} if sensors is None else sensors, **arguments)

    def find(self, folder: Path) -> list[Sample]:
        tables = sorted(folder.glob(f"*_*{LABELS}"))
        if not tables:
            raise ScenarioError(f"plant.folder: {folder}: found no file userNN_LIGHT{LABELS}")
        found = []
        for table in tables:
            stem = table.name.removesuffix(LABELS)
            recording = file_in(folder, f"{stem}.aedat")
            check_aedat31(recording)
            user, _, light = stem.partition("_")
            found += [Sample(label, (user, light), (recording, *span)) for label, *span in _spans(table)]
        return found

    def take(self, sample: Sample, until_us: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        path, start_us, end_us = sample.place
        t_us, y, x, polarity = read_aedat31(path, start_us, min(end_us, start_us + until_us))
        if (most := max(y.max(initial=0), x.max(initial=0))) >= SIDE:
            raise ScenarioError(f"{path}: found an event at pixel {most}; allowed: 0 to {SIDE - 1}")
        return t_us - start_us, np.ravel_multi_index((y, x, polarity), self.shape)


def _spans(table: Path) -> list[tuple[int, int, int]]:
    """Of each span that a file names the label from 0 on, and its start and end in microseconds."""
    try:
        rows = list(csv.reader(table.read_text("utf-8").splitlines()))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ScenarioError(f"{table}: cannot be read: {error}") from None
    if not rows or [name.strip() for name in rows[0]] != COLUMNS:
        raise ScenarioError(f"{table}: line 1: found {rows[0] if rows else 'nothing'}; allowed: {','.join(COLUMNS)}")
    found = []
    for number, row in enumerate(rows[1:], 2):
        if not row:
            continue
        where = f"{table}: line {number}"
        try:
            label, start_us, end_us = map(int, row)
        except ValueError:
            raise ScenarioError(f"{where}: found {','.join(row)!r}; allowed: three whole numbers") from None
        if not 1 <= label <= len(CLASSES):
            raise ScenarioError(f"{where}: class: found {label}; allowed: 1 to {len(CLASSES)}")
        if not 0 <= start_us < end_us:
            raise ScenarioError(f"{where}: found a span from {start_us} to {end_us}; allowed: an end after its start")
        found.append((label - 1, start_us, end_us))
    return found
