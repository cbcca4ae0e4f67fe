"""Writes docs/scenarios/README.md, a table over all scenarios, from their cards' results.

    python docs/scripts/overview.py [--run] [--check]

`--run` measures first what no card has: spikes, modelled energy and the realtime factor of each learner, in a run of
10 s or of one episode with seed 20000, one after another. It takes a minute or two, and keeps
docs/scenarios/overview.json.
`--check` writes nothing, and exits with 1 where the page is not what it would write.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import result_tables
from scenario_tables import CARDS, scored, table

from hilbench.metrics import measure
from hilbench.record.reader import read_run
from hilbench.report import words
from hilbench.runs.run import run
from hilbench.scenario.files import load

PAGE, KEPT = CARDS / "README.md", CARDS / "overview.json"
SEED = 20000
MEASURED = ("spikes", "energy_modelled[loihi1]", "realtime_factor")
LEARNS = {
    "stream_pes": ("what random cells mean, by PES", "the label, after the decision"),
    "jeffress": ("what a delay between ears means, by PES", "the angle seen to be left, and a second burst"),
    "lane_pes": ("a turn from events, by PES", "signed error of a supervisor"),
    "loom_lgmd": ("a threshold that cells share, by homeostasis", "nothing: how often any cell fires"),
    "lidar_pes": ("a reflex from a lidar, by PES", "a skirt with a signed side, and the gyro"),
    "pes": ("torques over the state, by PES", "signed error of the feedback"),
    "pes_feedback": ("a correction over the state, by PES", "signed error of the feedback"),
    "cue_rstdp": ("an arm for each cue, by R-STDP", "reward"),
    "ring_homing": ("how fast a ring turns, by PES", "the sky: self-supervised"),
    "td_ltp": ("where to swim, by TD-LTP", "reward"),
    "rstdp_steer": ("which way to turn, by R-STDP", "reward: the scent gets stronger"),
}
"""By a controller's kind, what it learns and what teaches it."""
HEAD = """# All scenarios

Each line is a scenario's own learner at its main change, by the cards beside this page: they have the other changes
and controllers, the intervals, and what failed. J is the mean loss over the horizon after the change, of the learner's
frozen twin, of a classical controller that is not told of the change, of one that is, and of the learner. A is its
adaptivity.
"""
HEADINGS = (
    *("scenario", "what is learnt", "what teaches", "loss", "J frozen", "untold", "told", "learner", "A [95 %]"),
    *("controls", "spikes a decision", "loihi1, modelled", "fails from", "realtime factor"),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--run", action="store_true", help="measure spikes, energy and the realtime factor first")
    parser.add_argument("--check", action="store_true", help="write nothing; say whether the page is up to date")
    given = parser.parse_args()
    if given.check:
        if PAGE.read_text("utf-8") != written():
            raise SystemExit("docs/scenarios/README.md: not up to date; run `make cards`")
        return
    if given.run:
        KEPT.write_text(json.dumps({name: measured(name) for name in scored()}, indent=1) + "\n", "utf-8")
    PAGE.write_text(written(), "utf-8")


def measured(name: str) -> dict[str, float]:
    """What a run of a scenario's learner says of its activity.

    Parameters
    ----------
    name : str
    """
    scenario = load(name, {"loop.seed": SEED, "loop.episodes": 1})
    if not scenario.score.by_episode:
        scenario = load(name, {"loop.seed": SEED, "loop.duration_s": 10.0})
    with tempfile.TemporaryDirectory() as folder:
        run(scenario, Path(folder) / "run")
        found = measure(read_run(Path(folder) / "run"))
    return {key: found[key]["value"] for key in MEASURED if key in found}


def written() -> str:
    """The page."""
    rows = [list(_row(name)) for name in scored()]
    how = "By `python docs/scripts/overview.py --run`, from what `python docs/scripts/cards.py NAME --run` has found."
    legend = (
        "`controls`: whether learning off, inputs held and no change expose an integrator or a reflex"
        " ([metrics.md](../metrics.md)). `loihi1, modelled`: energy of a decision by the constants of that chip,"
        " whether or not the chip takes the network, which the card says. `fails from`: the shortest delay of"
        " replies at which the learner fails. `realtime factor`: how many times as fast as real time a run was."
        " An empty field is not measured yet."
    )
    ladder = "[cartpole_ladder](cartpole_ladder.md) is not among them: it measures latency, and nothing changes in it."
    return "\n".join([HEAD, *table(HEADINGS, rows), "", legend, "", how, ladder]) + "\n"


def _row(name: str) -> Iterator[str]:
    scenario, kept = load(name), json.loads(KEPT.read_text("utf-8")).get(name, {})
    learns, teaches = LEARNS[scenario.chosen.kind]
    score = scenario.score
    yield from (f"[{name}]({name}.md)", learns, teaches, score.loss.__struct_config__.tag)
    path = CARDS / f"{name}.json"
    yield from _results(json.loads(path.read_text("utf-8"))["cells"], scenario) if path.is_file() else [""] * 6
    yield f"{kept['spikes']:.3g}" if "spikes" in kept else ""
    energy = kept.get("energy_modelled[loihi1]")
    yield words.quantity(energy, "J") if energy is not None else ""
    yield _critical_delay(name, score.critical_delay_s.get(scenario.controller))
    yield f"{kept['realtime_factor']:.3g}" if "realtime_factor" in kept else ""


def _critical_delay(name: str, delay_s: float | None) -> str:
    """From which delay a learner fails, and on how many seeds that was asked."""
    path = CARDS / f"{name}.delay.json"
    if not delay_s:
        return ""
    seeds = len(json.loads(path.read_text("utf-8"))["seeds"]) if path.is_file() else 0
    return f"{delay_s * 1e3:g} ms" + (f" ({words.counted(seeds, 'seed')})" if seeds else "")


def _results(cells: list[dict[str, Any]], scenario: Any) -> Iterator[str]:
    """J of all roles, A and the controls, at the first change of a card."""
    first = [cell for cell in cells if cell["grid"] == cells[0]["grid"]]
    own = next(cell for cell in first if cell["controller"] == scenario.controller and not cell["role"])
    by_role = {cell["role"]: cell for cell in first if cell["role"] in ("oracle", "untold")}
    twin = next((c for c in first if c["role"] == "twin" and c["controller"] == scenario.controller), None)
    for cell in (twin, by_role.get("untold"), by_role.get("oracle"), own):
        found = cell and cell["metrics"].get("horizon_loss")
        yield words.quantity(found["value"], found["unit"]) if found and found["value"] is not None else ""
    yield result_tables.adaptivity(own)
    yield result_tables.controls(own)


if __name__ == "__main__":
    main()
