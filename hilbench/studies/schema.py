"""What `summary.json` of an evaluation says: the structs that write it, read it and are its schema."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from msgspec import Struct

from hilbench.files import write_whole
from hilbench.record.meta import Provenance
from hilbench.record.sealed import indented, to_json
from hilbench.record.versions import Format

SUMMARY = "summary.json"
SUMMARY_FORMAT = Format("summary", 2)
Bounds = tuple[float, float]
Statistic = Literal["iqm", "mean"]


class Difference(Struct, frozen=True, kw_only=True):
    """A metric's difference to the baseline's, paired seed by seed, in the metric's unit."""

    baseline: str
    """The label of the baseline's cell."""
    n: int
    """Seeds that both have."""
    iqm: float | None = None
    mean: float | None = None
    statistic: Statistic = "iqm"
    ci95: Bounds | None = None


class Metric(Struct, frozen=True, kw_only=True):
    """One metric of a cell, over its seeds. A number is null where it is not finite, or there is none."""

    unit: str = "1"
    better: Literal["lower", "higher", "neither"] = "neither"
    n: int = 0
    """Seeds that gave a value."""
    iqm: float | None = None
    """The interquartile mean of the values."""
    mean: float | None = None
    """Their mean, where that represents them."""
    statistic: Statistic = "iqm"
    """Which of the two represents all seeds."""
    ci95: Bounds | None = None
    """The 95 % bootstrap interval of that statistic; null below three seeds."""
    values: tuple[float | None, ...] = ()
    """Of each seed that gave one, in the order of the seeds."""
    origin: Literal["measured", "modelled", "unavailable"] | None = None
    """Where a cost comes from."""
    interval: Bounds | None = None
    """Lowest and highest value that a model's constants allow."""
    note: str = ""
    difference: Difference | None = None
    """To the baseline; null where there is none."""

    @property
    def value(self) -> float | None:
        """The number that represents all seeds."""
        return self.mean if self.statistic == "mean" else self.iqm


class MapVerdict(Struct, frozen=True, kw_only=True):
    """Whether a learner's map pays, beside an integral at its gain and Gaussian functions."""

    pays: bool
    of_integral: float | None = None
    """Its mean loss over the horizon, as a share of the integral's; null where it has no finite one."""
    of_rbf: float | None = None
    """The same of the Gaussian functions'."""
    said: str = ""
    """The verdict in words, with both shares and their limits."""


class Cell(Struct, kw_only=True):
    """A scenario under one controller and one set of conditions, over its seeds; or what a cell is compared with."""

    label: str
    role: str | None = None
    """What it is to a cell: "twin", "twin_2", "floor", "oracle" or "untold"; null for a cell."""
    track: str = ""
    """Which part of a benchmark it belongs to; "" where its suite has no parts."""
    scenario: str
    controller: str
    backend: str = ""
    link: str = ""
    mode: str = "lockstep"
    point: dict[str, Any] = {}
    """SECTION.FIELD -> value, of what the suite varies."""
    seeds: list[int] = []
    run_folders: list[str | None] = []
    """By seed, relative to the evaluation's folder."""
    reference_folders: dict[str, list[str | None]] = {}
    """By role and seed, in the same way."""
    failures: list[str] = []
    """A line for each seed whose run failed."""
    controls: list[str] | None = None
    """What its controls say against its adaptivity, a line each; null where none ran."""
    map: MapVerdict | None = None
    """Whether its map pays; null where no integral at its gain or no Gaussian functions stand beside it."""
    command: str = ""
    """What runs its first seed again."""
    metrics_to_show: list[str] = []
    """Metrics that its scenario asks for, besides those that are always shown."""
    metrics: dict[str, Metric] = {}
    """By NAME or NAME[LABEL]."""


class Summary(Struct, kw_only=True):
    """An evaluation."""

    format_version: int = SUMMARY_FORMAT.version
    suite: str
    suite_summary: str = ""
    """The suite's own line about itself."""
    status: Literal["running", "interrupted", "done"] = "running"
    baseline: str | None = None
    """The controller with which every other is compared."""
    code_version: str = ""
    """16 digits over hilbench's source and the versions of the libraries that make numbers."""
    provenance: Provenance | None = None
    """Null while the evaluation is running for the first time."""
    cells: list[Cell] = []
    references: list[Cell] = []
    """What cells are compared with."""
    realtime_factors: dict[str, float] = {}
    """By run folder, how many times as fast as real time that run was."""


def write_summary(folder: Path, summary: Summary) -> None:
    """Replace `summary.json` whole. Raises OSError with its path.

    Parameters
    ----------
    folder : Path
        The evaluation's.
    summary : Summary
    """
    write_whole(folder / SUMMARY, indented(to_json(summary)))


def read_summary(folder: Path) -> Summary:
    """What an evaluation's `summary.json` says. Raises RecordError."""
    return SUMMARY_FORMAT.read(folder / SUMMARY, Summary, "the summary of an evaluation")
