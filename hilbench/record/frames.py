"""A run as one table: pandas, for whoever analyses in it. It must not know how a run is stored."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hilbench.errors import MissingExtra
from hilbench.record.data import RunData
from hilbench.types import PlantSpec

if TYPE_CHECKING:
    import pandas

VECTORS = ("obs", "state", "values_in", "modulators", "values_out")


def frame(run: RunData) -> pandas.DataFrame:
    """All episodes of a run as a DataFrame, one row per tick.

    Columns are the record's, with `episode` before them and these changes:

    - vectors are spread: `obs.NAME` with the plant's names, and `state.0`, `values_in.0`, `modulators.0`,
      `values_out.0` and so on;
    - of a tick's physics steps the last one stays: its action as `action.NAME`, and where that came from as `source`
      (0 held, 1 a reply, 2 the safe action);
    - lists become their lengths: `n_events`, `n_sensor_events`, `n_reply_events`, `n_probe_events`, `n_probe_values`.

    Raises MissingExtra without pandas.
    """
    try:
        import pandas
    except ImportError as error:
        raise MissingExtra("pandas", "pandas") from error
    plant_spec = run.meta.plant_spec
    tables = [dict(_columns(episode, plant_spec, number)) for number, episode in enumerate(run.episodes)]
    names = tables[0] if tables else ()
    return pandas.DataFrame({name: np.concatenate([table[name] for table in tables]) for name in names})


def _columns(
    episode: dict[str, NDArray[Any]], plant_spec: PlantSpec, number: int
) -> Iterator[tuple[str, NDArray[Any]]]:
    yield "episode", np.full(len(episode["seq"]), number)
    for name, found in episode.items():
        if found.dtype == object:
            yield f"n_{name}", np.array([len(row) for row in found])
        elif name in VECTORS:
            names = plant_spec.obs_names if name == "obs" else ()
            yield from _spread(name, names or range(found.shape[1]), found)
        elif name == "actions":
            actions = plant_spec.action_names or range(found.shape[1] // episode["sources"].shape[1])
            yield from _spread("action", actions, found[:, -len(actions) :])
        elif name == "sources":
            yield "source", found[:, -1]
        else:
            yield name, found


def _spread(name: str, parts: Iterable[str | int], found: NDArray[Any]) -> Iterator[tuple[str, NDArray[Any]]]:
    for i, part in enumerate(parts):
        yield f"{name}.{part}", found[:, i]
