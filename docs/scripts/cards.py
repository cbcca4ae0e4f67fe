"""Writes the tables of the scenarios' cards, docs/scenarios/NAME.md, between their marks: `make cards`.

Everything but the results comes from the scenario and its plant. Results come from docs/scenarios/NAME.json, which
`python docs/scripts/cards.py NAME --run` makes by evaluating the suite scenarios/suites/NAME.toml; that takes minutes.
`--delays` does that with the suite critical_delay_NAME, for docs/scenarios/NAME.delay.json. `--grid LABEL` does `--run`
for one grid of the suite, and leaves what is kept of the others; then the card says so of that grid.

    python docs/scripts/cards.py [NAME ...] [--run [--grid LABEL]] [--delays] [--check]

`--check` writes nothing, and exits with 1 where a card is not what it would write.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

import delays
import ladder
import msgspec
import result_tables
import scenario_tables
from scenario_tables import CARDS

from hilbench.errors import MissingExtra
from hilbench.runs.build import make_plant
from hilbench.scenario.files import load
from hilbench.studies.suite import Suite, cells, load_suite

ROOT = Path(__file__).parents[2]
MARK = re.compile(r"(<!-- table (\w+) -->\n).*?(<!-- end -->)", re.S)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help="scenarios; every one with a card when absent")
    parser.add_argument("--run", action="store_true", help="evaluate their suites first, and keep the results")
    parser.add_argument("--grid", metavar="LABEL", help="with --run: of one of the suite's grids alone")
    parser.add_argument("--delays", action="store_true", help="the same with the suites of their critical delays")
    parser.add_argument("--check", action="store_true", help="write nothing; say which card is not up to date")
    given = parser.parse_args()
    if given.grid and not (given.run and len(given.names) == 1):
        refuse("found without --run and one name; allowed: NAME --run --grid LABEL")
    stale = []
    for name in given.names or scenario_tables.cards():
        if given.grid:
            keep_grid(name, given.grid)
        elif given.run:
            keep(name)
        if given.delays:
            keep_delays(name)
        path = CARDS / f"{name}.md"
        before = path.read_text("utf-8")
        try:
            after = written(name, before)
        except MissingExtra as error:
            print(f"{path.relative_to(ROOT)}: left as it is: {error}", file=sys.stderr)
            continue
        if before != after:
            stale.append(path)
            if not given.check:
                path.write_text(after, "utf-8")
                print(f"wrote {path.relative_to(ROOT)}")
    for path in stale if given.check else ():
        print(f"{path.relative_to(ROOT)}: not up to date; run `make cards`", file=sys.stderr)
    return int(bool(given.check and stale))


def keep(name: str) -> None:
    """Evaluate a scenario's suite, and keep what its card shows.

    Parameters
    ----------
    name : str
        The scenario's and the suite's.
    """
    summary, found = _evaluated(load_suite(name), f"{name} --run")
    factors = summary.realtime_factors.items()
    found["realtime_factors"] = sorted(factor for place, factor in factors if "__realtime__" not in place)
    found["cells"] = result_tables.kept(summary)
    _write(f"{name}.json", found)


def keep_grid(name: str, label: str) -> None:
    """The same for one grid of the suite; what is kept of the others stays.

    Parameters
    ----------
    name : str
        The scenario's and the suite's.
    label : str
        The grid's.
    """
    suite, stored = load_suite(name), _stored(f"{name}.json")
    if stored is None:
        refuse(f"nothing is kept of {name} yet; begin with --run alone")
    grids = tuple(each for each in suite.grids if each.label == label)
    if not grids:
        labels = ", ".join(filter(None, (each.label for each in suite.grids)))
        refuse(f"{label!r} is no grid of the suite {suite.name!r}; allowed: {labels}")
    one = msgspec.structs.replace(suite, name=f"{suite.name}-{label}", grids=grids)
    summary, made = _evaluated(one, f'{name} --run --grid "{label}"')
    _write(f"{name}.json", result_tables.renewed(stored, label, made, result_tables.kept(summary)))


def refuse(line: str) -> NoReturn:
    """End with a mistake in --grid."""
    print(f"cards.py: --grid: {line}", file=sys.stderr)
    raise SystemExit(2)


def keep_delays(name: str) -> None:
    """The same for its suite critical_delay_NAME."""
    suite = load_suite(f"critical_delay_{name}")
    summary, found = _evaluated(suite, f"{name} --delays")
    scenario = cells(suite)[0].scenario
    if scenario.changes:
        _write(f"{name}.delay.json", found | delays.kept(name, scenario, summary.cells))
    else:
        _write(f"{name}.ladder.json", found | ladder.kept(scenario, summary.cells))


def _evaluated(suite: Suite, options: str) -> tuple[Any, dict[str, Any]]:
    """The summary of a suite, and where it came from."""
    from hilbench.studies.evaluation import evaluate

    summary = evaluate(
        suite, ROOT / "runs" / "cards" / suite.name, lambda step: print(f"{step.done}/{step.total} {step.name}")
    )
    made = summary.provenance
    assert made is not None, "an evaluation that has ended says where it was made"
    found = {"started_at": made.started_at[:10], "cpu_model": made.host.cpu_model, "commit": made.commit}
    return summary, {"command": f"python docs/scripts/cards.py {options}", "made": found}


def _write(file: str, found: dict[str, Any]) -> None:
    (CARDS / file).write_text(json.dumps(found, indent=1) + "\n", "utf-8")


def written(name: str, text: str) -> str:
    """A card with its tables as they are now.

    Parameters
    ----------
    name : str
        The scenario's.
    text : str
        The card.
    """
    scenario = load(name)
    plant = make_plant(scenario)
    try:
        spec, networks = plant.plant_spec, scenario_tables.networks_of(scenario, plant.plant_spec)
    finally:
        plant.close()
    tables = {
        "constants": lambda: scenario_tables.constants(spec),
        "spaces": lambda: scenario_tables.spaces(spec),
        "score": lambda: scenario_tables.score(scenario, spec),
        "results": lambda: result_tables.results(_stored(f"{name}.json")),
        "ladder": lambda: _ladder(name),
        "delay": lambda: result_tables.critical_delays(_stored(f"{name}.delay.json")),
        "budgets": lambda: scenario_tables.budgets(name, scenario),
        "chips": lambda: scenario_tables.chips(name, networks),
    }

    def filled(found: re.Match[str]) -> str:
        return found[1] + "\n".join(tables[found[2]]()) + "\n" + found[3]

    return MARK.sub(filled, text)


def _ladder(name: str) -> Iterator[str]:
    """How fast poles of each length fall, and from which delay on each controller lets them."""
    stored = _stored(f"{name}.ladder.json")
    if stored is None:
        yield "Not measured yet."
        return
    growths = {}
    for pole_m in {cell["pole_m"] for cell in stored["cells"]}:
        plant = make_plant(load(name, {"plant.pole_m": pole_m}))
        growths[pole_m] = ladder.growth_per_s(plant.plant_spec)
        plant.close()
    yield f"{result_tables.origin(stored)} A controller fails where the pole falls within"
    yield f"{stored['duration_s']:g} s on at least one of {len(stored['seeds'])} seeds."
    yield ""
    yield from ladder.rungs(stored, growths)


def _stored(file: str) -> dict[str, Any] | None:
    return json.loads((CARDS / file).read_text("utf-8")) if (CARDS / file).exists() else None


if __name__ == "__main__":
    sys.exit(main())
