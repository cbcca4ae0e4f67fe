"""What a loop leaves behind: a folder with `run.json` and one Arrow stream per episode, a row per tick.

`rows.py` has the rows of an episode, which are written a second at a time, so that a killed run opens up to its last
batch; the bare echo of the link has a stream of its own. Everything has a checksum, and who reads a run has it
checked. It reads no clock and knows no metric.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from msgspec import structs
from numpy.typing import NDArray

from hilbench.errors import MissingExtra, RecordError
from hilbench.files import kind_of
from hilbench.record.arrays import as_arrow
from hilbench.record.columns import Widths, described
from hilbench.record.finite import FiniteWatch
from hilbench.record.layout import ECHO_NAME, RUN, episode_name
from hilbench.record.meta import RECORD, EpisodeEnd, Fault, RunMeta, Status, StreamTotals
from hilbench.record.rows import EpisodeRows
from hilbench.record.sealed import release, reserve, write_sealed
from hilbench.record.streams import StreamWriter
from hilbench.record.versions import KEY
from hilbench.types import Values

try:
    import pyarrow as pa
except ImportError as error:
    raise MissingExtra("pyarrow", "sim") from error


class Recorder:
    """Writes one run. Close it, or leave its `with` block, to keep the last rows.

    `compress` makes streams less than half as large, at a millisecond or two per batch: not for real time.
    """

    def __init__(self, folder: str | Path, meta: RunMeta, compress: bool = False) -> None:
        self.folder, self._compress = Path(folder), compress
        ensure_writable(self.folder)
        self.meta = meta
        self._episode: EpisodeRows | None = None
        self._streams: dict[str, StreamWriter] = {}
        self._finite = FiniteWatch(meta.plant_spec.obs_names, meta.plant_spec.info_units)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise RecordError(f"{folder}: cannot hold a run: {error.strerror}") from None
        reserve(self.folder)
        self.write_meta()

    def episode(self, shape: Widths, rows_per_batch: int) -> EpisodeRows:
        """Open the next episode's stream, ending the one before.

        Parameters
        ----------
        shape : Widths
            The widths of its rows.
        rows_per_batch : int
            How many rows are kept in memory before they are written.
        """
        self.end_episode()
        number = self.meta.n_episodes
        self.add(n_episodes=number + 1)
        look = partial(self._finite.look, episode=number)
        self._episode = EpisodeRows(
            lambda schema: self._stream(episode_name(number), described(schema)), shape, rows_per_batch, look
        )
        return self._episode

    def ended(self, obs: Values, reward: float, terminated: bool, truncated: bool, info: Mapping[str, float]) -> None:
        """Keep what the last action of the episode led to, which has no row where the run's duration ended it.

        Parameters
        ----------
        obs : (n_obs,) float32
            What the plant shows.
        reward : float
            The reward of the last period.
        terminated, truncated : bool
            Whether the plant has ended the episode.
        info : dict of float
            The plant's info.
        """
        assert self._episode is not None, "an episode ends after it was begun"
        end = EpisodeEnd(
            episode=self.meta.n_episodes - 1,
            obs=tuple(obs.tolist()),
            reward=float(reward),
            terminated=bool(terminated),
            truncated=bool(truncated),
            info={name: float(info[name]) for name in self._episode.info},
        )
        self.note(episode_ends=(*self.meta.episode_ends, end))

    def echo(self, echo_ns: NDArray[np.int64]) -> None:
        """Keep the link's bare echo beside the run, behind what was kept before; nothing when there is none."""
        if echo_ns.size:
            batch = pa.record_batch({"echo_ns": as_arrow(echo_ns)}, metadata={KEY: str(RECORD.version)})
            stream = self._streams.get(ECHO_NAME) or self._stream(ECHO_NAME, batch.schema)
            stream.write(batch)

    def fault(self, fault: Fault) -> None:
        """Put a fault on record at once."""
        self.add(faults=(*self.meta.faults, fault))

    def add(self, **more: Any) -> None:
        """Put more into `run.json`: fields of RunMeta."""
        self.note(**more)
        self.write_meta()

    def note(self, **more: Any) -> None:
        """As `add`, but written with the next word."""
        self.meta = structs.replace(self.meta, **more)

    def recovered(self, how: str) -> None:
        """Say of the last fault how the device came back."""
        *before, last = self.meta.faults
        self.add(faults=(*before, structs.replace(last, recovery=how)))

    def close(self, status: Status) -> None:
        """Write what is left and the run's last word; a second call changes nothing.

        Raises OSError when there is no room for all of it. The run has failed then, and says so.
        """
        if self.meta.status != "running":
            return
        full = None
        try:
            self.end_episode()
            for stream in self._streams.values():
                stream.close()
        except OSError as error:
            full, status = error, "failed"
        totals = {name: StreamTotals(**s.totals()) for name, s in self._streams.items()}
        self.note(status=status, streams=totals, plant_not_finite=self._finite.found)
        release(self.folder)
        self.write_meta()
        if full is not None:
            raise full

    def write_meta(self) -> None:
        """Replace `run.json` whole."""
        write_sealed(self.folder / RUN, self.meta)

    def __enter__(self) -> Recorder:
        return self

    def __exit__(self, kind: type | None, *exc: object) -> None:
        self.close("done" if kind is None else "interrupted" if kind is KeyboardInterrupt else "failed")

    def end_episode(self) -> None:
        """Write what is left of the episode; a second call changes nothing."""
        if self._episode is not None:
            episode, self._episode = self._episode, None
            episode.close()

    def _stream(self, name: str, schema: pa.Schema) -> StreamWriter:
        self._streams[name] = StreamWriter(self.folder / name, schema, self._compress)
        return self._streams[name]


def ensure_writable(folder: Path) -> None:
    """Raise RecordError when the folder holds a run already, or can hold none. Nothing is made yet."""
    try:
        if (folder / RUN).exists():
            raise RecordError(f"{folder}: holds a run already; give another folder or remove it")
        there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    except OSError as error:
        raise RecordError(f"{folder}: cannot hold a run: {error.strerror}") from None
    if not there.is_dir():
        raise RecordError(f"{folder}: cannot hold a run: {there} is {kind_of(there) or 'a file'}")
    if not os.access(there, os.W_OK | os.X_OK):
        raise RecordError(f"{folder}: cannot hold a run: nothing may be written to {there}")
