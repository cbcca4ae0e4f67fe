"""Reads a run back, every file checked against what was written."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from hilbench.errors import RecordError, allowed_hint
from hilbench.record.columns import check_schema
from hilbench.record.data import RunData
from hilbench.record.layout import AGREEMENT, ECHO_NAME, ENERGY, NOTHING, RUN, episode_name
from hilbench.record.meta import RECORD, SCENARIO, AgreementRecord, EnergyRecord, RunMeta
from hilbench.record.sealed import read_sealed
from hilbench.record.streams import read_stream

S = TypeVar("S", bound=msgspec.Struct)


def read_run(folder: str | Path, columns: Sequence[str] | None = None) -> RunData:
    """A run as arrays, all `columns` or those named that it has. A run that was killed opens up to its last batch.

    Raises RecordError, also when anything of it is not what was written.

    Parameters
    ----------
    folder : str or Path
        The run's folder.
    columns : sequence of str, optional
        The columns wanted; all when absent.
    """
    folder = Path(folder)
    meta = read_meta(folder)
    energy = _read_beside(folder, ENERGY, EnergyRecord)
    agreement = _read_beside(folder, AGREEMENT, AgreementRecord)
    whole = meta.streams  # None where the run was killed
    wanted = columns if columns is None or "sensor_events" not in columns else [*columns, "events", "relayed"]
    asked = {**dict.fromkeys(map(episode_name, range(meta.n_episodes)), wanted), ECHO_NAME: None}
    found = [
        read_stream(
            folder / name,
            some,
            None if whole is None else msgspec.to_builtins(whole.get(name, NOTHING)),
            None if name == ECHO_NAME else partial(check_schema, meta=meta, where=f"{folder / name}"),
        )
        for name, some in asked.items()
    ]
    echo_ns = found.pop().get("echo_ns", np.empty(0, np.int64))
    for episode in found:
        _fill_in(episode, columns)
    return RunData(meta, [episode for episode in found if episode], echo_ns, energy, agreement)


def read_meta(folder: Path) -> RunMeta:
    """What a run's `run.json` says. Raises RecordError."""
    where = f"{folder}: {RUN}"
    found = RECORD.current(read_sealed(folder / RUN), where)
    if isinstance(found.get("scenario"), dict):
        found["scenario"] = SCENARIO.current(found["scenario"], where)
    meta = _converted(found, RunMeta, where)
    for key, said, allowed in _names(meta):
        if not isinstance(said, str) or (allowed and said not in allowed):
            raise RecordError(f"{where}: {key}: found {said!r}; {allowed_hint(f'{said}', allowed or ['text'])}")
    for name, table in meta.scenario.disturbances.items():
        if type(at_s := table.get("at_s", 0.0)) not in (int, float):
            raise RecordError(f"{where}: scenario.disturbances.{name}.at_s: found {at_s!r}; allowed: a number")
    most = max(meta.scenario.loop.episodes, len(meta.streams or ()))
    if meta.n_episodes > most:
        raise RecordError(f"{where}: n_episodes: found {meta.n_episodes}; allowed: 0 to {most}")
    return meta


def _names(meta: RunMeta) -> Iterator[tuple[str, object, Collection[str]]]:
    """What has to be text in `run.json`: where it stands, what it says, and what it may be where that is known."""
    scenario, plant_spec = meta.scenario, meta.plant_spec
    yield "scenario.controller", scenario.controller, scenario.controllers or ["a key of scenario.controllers"]
    backend = scenario.controllers[scenario.controller].get("backend")
    yield "scenario.link.kind", scenario.link.get("kind"), ()
    yield (
        f"scenario.controllers.{scenario.controller}.backend.kind",
        isinstance(backend, dict) and backend.get("kind"),
        (),
    )
    if scenario.score.change is not None:
        yield (
            "scenario.score.change",
            scenario.score.change,
            scenario.disturbances or ["a key of scenario.disturbances"],
        )
    if plant_spec.error:
        yield "plant_spec.error", plant_spec.error, plant_spec.info_units or ["a key of plant_spec.info_units"]


def _fill_in(episode: dict[str, NDArray[Any]], columns: Sequence[str] | None) -> None:
    """Put what relayed ticks were sent among the sensors' events, and take away columns that nobody asked for."""
    if "sensor_events" in episode:
        relayed = episode["relayed"]
        episode["sensor_events"][relayed] = episode["events"][relayed]
        for name in {"events", "relayed"}.difference(columns or episode):
            del episode[name]


def _read_beside(folder: Path, name: str, kind: type[S]) -> S | None:
    """What was measured of a run later; None where it was not."""
    if not (folder / name).exists():
        return None
    return _converted(RECORD.current(read_sealed(folder / name), f"{folder}: {name}"), kind, f"{folder}: {name}")


def _converted(found: dict[str, Any], kind: type[S], where: str) -> S:
    """What a file says, in its struct. A number that JSON has no word for, as "NaN", is text there."""
    try:
        return msgspec.convert(found, kind, strict=False)
    except msgspec.ValidationError as error:
        raise RecordError(f"{where}: not what a whole run says: {error}; take the run from a copy") from None
