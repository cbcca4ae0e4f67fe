"""The MIT-BIH Arrhythmia Database, from its own files. It must not know who tells its beats apart."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, ClassVar

import msgspec
import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from hilbench.envs._recorded import RecordedConfig, RecordedPlant, Sample, file_in
from hilbench.envs._stream import labels
from hilbench.envs.disturbances import Traits
from hilbench.errors import MissingExtra, ScenarioError, said
from hilbench.types import PlantSpec

CLASSES = ("normal", "ventricular")
SCORES = tuple(f"score_{name}" for name in CLASSES)
LEADS = ("lead_1", "lead_2")
"""Both signals of a record, in its own order: mostly MLII and V1."""
BEATS = set("NLRBAaJSVrFejnE/fQ?")
"""PhysioNet's codes of beats; the others are of rhythms, noise and waves."""
VENTRICULAR = set("VE")
"""Premature ventricular contractions, and ventricular escape beats; AAMI's class V."""
AFTER_S = 0.24
"""How much of a sample lies behind R."""
FILES = (".hea", ".dat", ".atr")
"""Of each record: its header, its signals, and the reference annotations."""


class MitBih(RecordedPlant):
    """Two leads of a patient show heartbeats, a few of which begin in a ventricle; each is told apart as it comes.

    ## Description
    An episode is a piece of a record of the MIT-BIH Arrhythmia Database (Moody & Mark 2001, IEEE Engineering in
    Medicine and Biology 20:45), from its own files, NAME.hea, NAME.dat and NAME.atr, in a folder that you name:
    hilbench brings none of them. The seed draws the record, among those of its sources, and where in it the episode
    begins; from there on beat comes after beat, without a gap. A sample ends 240 ms after the R that the reference
    annotations state, and is as long as it is from beat to beat. Between a record's samples leads are straight lines.

    The codes V and E are ventricular, all others of beats are not: so is F, a fusion of both. Sources are records. The
    usual disturbance is `source_changed`, other patients. Unlike `ecg`, `lead_changed` does not fit. The sensor
    `delta` makes events of leads. It is a benchmark, and tells nothing about a patient.

    ## Action Space
    `Box(-1000, 1000, (2,), float32)`: `score_normal`, for all that is not ventricular, and `score_ventricular`. The
    larger one counts, `decide_s` after the sample, which is 250 ms after R.

    ## Observation Space
    `Box((4,), float32)`, as sensed.

    | Num | Observation | Unit | Bound |
    |---|---|---|---|
    | 0, 1 | lead_1, lead_2 | mV | 1e3 |
    | 2, 3 | is_normal, is_ventricular: 1 while the label is shown | 1 | 1 |

    ## Rewards
    1 / `n_samples` for a decision that is right. Classes are far from equally frequent: `target` and `alarm` are there
    for an F1.

    ## Starting State
    R of the beat before was 260 ms ago.

    ## Episode End
    Terminates after `n_samples` beats. `gym.make` truncates after 1 000 000 steps, which is 1000 s at the default
    control period.

    ## Arguments
    `gym.make("hilbench:hilbench/MitBih-v0", folder=..., ...)`, which imports hilbench first, in workers too, takes
    `control_period_s`, `disturbances`, `sensors`, and the fields of `Config`. It needs `pip install
    "hilbench[datasets]"`.

    `info` holds, at reset and every step: `t_s`; `label`, 1 for a ventricular beat; `chosen`, the last decision, -1
    before the first; `correct`, 1 where that was right; `decided`, 1 in the control period after a decision; `sample`,
    which of the set's beats it is, from 0 in the order of records; `target`, 1 where the beat that was decided on last
    is ventricular; `alarm`, 1 where that was said of it; `disturbances`, how many act.

    ## Version History
    * v0: first version.
    """

    class Config(RecordedConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
        sample_s: Annotated[float, Meta(gt=0, le=100)] = 0.54
        """Which part of the leads before a decision tells a beat. From one decision to the next it is a beat's time."""
        decide_s: Annotated[float, Meta(gt=0, le=100)] = 0.01
        reveal_s: Annotated[float, Meta(gt=0, le=100)] = 0.01
        rest_s: Annotated[float, Meta(ge=0, le=100)] = 0.0
        n_samples: Annotated[int, Meta(ge=1, le=1_000_000)] = 50

    env_id: ClassVar[str] = "hilbench/MitBih-v0"
    max_episode_steps: ClassVar[int] = 1_000_000
    classes = CLASSES
    channels = LEADS
    info_units: ClassVar[dict[str, str]] = {"sample": "1", "target": "1", "alarm": "1"}
    metadata: ClassVar[dict[str, Any]] = {
        "render_modes": [],
        "obs_names": (*LEADS, *labels(CLASSES)),
        "obs_units": ("mV", "mV", "1", "1"),
        "action_names": SCORES,
        "action_units": ("1",) * 2,
    }
    traits = Traits(sensors=(*LEADS, *labels(CLASSES)), actuators=SCORES, recorded=True)
    obs_high = (1e3, 1e3, 1.0, 1.0)

    @property
    def own_spec(self) -> PlantSpec:
        """That of a stream, whose samples differ in length: it states no `trial_s`."""
        own = super().own_spec
        known = {name: value for name, value in own.parameters.items() if name != "trial_s"}
        return msgspec.structs.replace(own, parameters=known | {"after_s": AFTER_S})

    def find(self, folder: Path) -> list[Sample]:
        names = sorted(path.stem for path in folder.glob("*.hea"))
        if not names:
            raise ScenarioError(f"plant.folder: {folder}: found no record; allowed: files NAME.hea, NAME.dat, NAME.atr")
        found: list[Sample] = []
        self._starts: list[range] = []
        for name in names:
            files = [file_in(folder, name + suffix) for suffix in FILES]
            beats = _beats(folder / name, *(file.stat().st_mtime_ns for file in files))
            self._check(name, beats)
            # R of the beat before is known, and as many as an episode has come after, and one that begins at its end.
            self._starts.append(range(len(found) + 1, len(found) + len(beats) - self.config.n_samples))
            found += [Sample(int(kind in VENTRICULAR), (name,), (folder / name, at_s)) for kind, at_s in beats]
        return found

    def _check(self, name: str, beats: list[tuple[str, float]]) -> None:
        """Raise ScenarioError for too few beats, and for some too near to each other to be decided on and shown."""
        config = self.config
        if len(beats) < (n := config.n_samples + 2):
            raise ScenarioError(
                f"plant: record {name}: found {len(beats)} beats; allowed: n_samples + 2 = {n}, or more"
            )
        apart_s = np.diff([at_s for _, at_s in beats]).min()
        least_s = config.decide_s + config.reveal_s + config.rest_s + config.physics_step_s
        if apart_s < least_s:
            allowed = f"decide_s, reveal_s and rest_s with a step in between, {least_s:g} s"
            raise ScenarioError(f"plant: record {name}: found beats {apart_s:g} s apart; allowed: {allowed}, or more")

    def begin(self, random: np.random.Generator) -> None:
        super().begin(random)
        self._played = np.zeros(0, np.int64)

    def pick(self, random: np.random.Generator) -> int:
        pool = self.pool()
        if pool is self._played:
            self.sample += 1
        else:
            self._played = pool
            starts = [each for each in self._starts if each.start in pool]
            self.sample = int(random.choice(starts[random.integers(len(starts))]))
        return self.samples[self.sample].label

    def draw(self, random: np.random.Generator, label: int, n_steps: int, n_sample: int) -> NDArray[np.float64]:
        step_s, (path, at_s) = self.config.physics_step_s, self.samples[self.sample].place
        n_after = round(AFTER_S / step_s) + n_steps - n_sample
        first, last = (round(each / step_s) + n_after for each in (self.samples[self.sample - 1].place[1], at_s))
        leads_mv, rate_hz = _leads(path, *(path.with_suffix(suffix).stat().st_mtime_ns for suffix in FILES[:2]))
        place = np.clip(step_s * np.arange(first, last) * rate_hz, 0, len(leads_mv) - 1)
        before = np.minimum(place.astype(np.int64), len(leads_mv) - 2)
        share = (place - before)[:, None]
        return (1 - share) * leads_mv[before] + share * leads_mv[before + 1]

    def about(self) -> dict[str, float]:
        alarm = self._chosen == 1
        target = self._chosen >= 0 and alarm == bool(self._correct)  # of two classes, a wrong one is the other
        return super().about() | {"target": float(target), "alarm": float(alarm)}


@lru_cache(maxsize=256)
def _beats(path: Path, *changed_ns: int) -> list[tuple[str, float]]:
    """The code of each beat of a record, and the time of its R in s. Raises ScenarioError for what is no record.

    Parameters
    ----------
    path : Path
        Of the record's files, without a suffix.
    changed_ns : int
        When they were written: after that they are read again.
    """
    with _reading(path) as wfdb:
        header, notes = wfdb.rdheader(str(path)), wfdb.rdann(str(path), "atr")
        kinds, at = notes.symbol, np.asarray(notes.sample)
    if header.n_sig != len(LEADS) or not header.fs:
        raise ScenarioError(f"{path}.hea: found {header.n_sig} signals; allowed: {len(LEADS)}, with a rate")
    if np.diff(at).min(initial=0) < 0 or at.min(initial=0) < 0 or at.max(initial=0) >= (header.sig_len or 0):
        raise ScenarioError(f"{path}.atr: found annotations out of order, or beyond the record's {header.sig_len}")
    return [(kind, each / header.fs) for kind, each in zip(kinds, at.tolist(), strict=True) if kind in BEATS]


@lru_cache(maxsize=8)
def _leads(path: Path, *changed_ns: int) -> tuple[NDArray[np.float64], float]:
    """Both leads of a record in mV, (n, 2), and their samples a second. Raises ScenarioError for what is no record.

    Parameters
    ----------
    path : Path
        Of the record's files, without a suffix.
    changed_ns : int
        When they were written: after that they are read again.
    """
    with _reading(path) as wfdb:
        record = wfdb.rdrecord(str(path))
    if set(record.units) != {"mV"} or not np.isfinite(record.p_signal).all():
        raise ScenarioError(f"{path}: found units {', '.join(record.units)}, or gaps; allowed: mV, without a gap")
    return record.p_signal, float(record.fs)


@contextmanager
def _reading(path: Path) -> Iterator[Any]:
    """The library that reads records. Raises ScenarioError where it finds none, or one that is damaged."""
    try:
        import wfdb
    except ImportError as error:
        raise MissingExtra("wfdb", "datasets") from error
    try:
        yield wfdb
    except Exception as error:  # it has as many for damaged files as there are ways to damage one
        raise ScenarioError(f"{path}: cannot be read as a WFDB record: {said(error)}") from None
