"""The command lines of the pages, and why some of them are not run. The standard library is enough for it, as
.ci/try_wheel.py reads it where nothing else is installed.

A command line is a line of an indented or a fenced block that begins with `hilbench`, `make`, `python` or `pip`.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
COMMAND = re.compile(r"((?:[A-Z_]+=\S+ )*(?:hilbench|make|python|pip) .*)")
MARKED = {"python", "toml", "console"}
"""Fenced blocks of these are not shell; tests/test_readme.py runs them."""

SYNOPSIS = "a synopsis, with options in brackets"
SLIDER = "needs the package of its page; tests/test_package_page.py installs it and runs this"
PARSED_ONLY = {
    "make demo": "minutes; tests/test_demo_script.py tests what its script makes of the runs",
    "make test": "this very suite",
    "make soak": "half an hour",
    "pip install": "changes this Python",
    "python -m pytest": "part of this suite",
    "HILBENCH_REQUIRE=frameworks python -m pytest": "part of this suite",
    "python -m hatchling build": "leaves dist/; tests/unit/test_package.py builds",
    "python .ci/try_wheel.py": "installs a wheel, minutes; tests/test_release.py looks at what it would run",
    "python docs/scripts/architecture.py": "writes into docs/; tests/test_architecture.py draws the picture, too",
    "python benchmarks/engine.py": "minutes, and the peers installed",
    "hilbench tune arm_payload": "minutes; tests/unit/studies/test_tuning.py tunes a small scenario",
    "hilbench events runs/RUN": "needs a plant with event sensors; tests/unit/record/test_recordings.py has one",
    "hilbench device install lava": "downloads Lava into a Python 3.10 of its own; CI does it",
    "hilbench build cortexm": "needs a cross compiler; tests/unit/backends/test_cortexm.py builds",
    "hilbench evaluate besns": "minutes, or hours; tests/test_scenarios.py runs its scenarios for 50 ticks",
    "hilbench report runs/besns-0-quick": "reads what `hilbench evaluate besns --quick` leaves",
    "hilbench evaluate devices": "minutes, and every device there is",
    "hilbench evaluate realtime": "minutes, and a machine with nothing else to do",
    "hilbench report runs/realtime": "reads what `hilbench evaluate realtime` leaves",
    "hilbench report runs/devices": "reads what `hilbench evaluate devices` leaves",
    "hilbench conformance": "minutes for all backends; docs/presets.md runs it for one",
    "hilbench doctor": "measures for half a minute; tests/unit/machine/test_doctor.py examines this machine",
    "hilbench serve": "serves until it is stopped",
    "hilbench impair": "impairs until it is stopped",
    "hilbench run arm_payload --link.kind zmq --link.address": "its device runs elsewhere",
    "hilbench run arm_payload --loop.mode realtime --link.kind zmq": "its device runs elsewhere",
    "hilbench run cartpole_ladder --link.kind zmq --backend.kind lava": "needs Lava's environment; tests/lava runs it",
    "hilbench run cartpole_ladder --controller lif_lqr --backend.kind cortexm": "needs a cross compiler and QEMU",
    "hilbench run cartpole_ladder --loop.mode realtime": "asks for a priority that this machine need not grant",
    "hilbench run arm_payload --backend.kind cortexm": "needs a cross compiler and QEMU",
    "hilbench run SCENARIO": "a board on a serial line",
    "hilbench run lane_dvs": "a quarter of a minute alone; tests/test_scenarios.py runs every scenario for 50 ticks",
    "hilbench render lane_dvs": "drives all of it; tests/unit/clips/test_clips.py draws short runs",
    "hilbench check slide.toml": SLIDER,
    "hilbench run slide.toml": SLIDER,
    "hilbench replay runs/wire": SLIDER,
    "hilbench report runs/slide": SLIDER,
    "hilbench compile NETWORK.nir": SYNOPSIS,
}
"""How a command begins that is parsed, but not run -> why."""
STANDS_FOR = {"SCENARIO": "cartpole_ladder", "N": "2"}
"""What a page leaves open -> an example."""


class Line(NamedTuple):
    page: str
    number: int
    text: str

    @property
    def reason(self) -> str | None:
        """Why it is not run."""
        found = (why for start, why in PARSED_ONLY.items() if f"{self.text} ".startswith(f"{start} "))
        return next(found, None)

    @property
    def words(self) -> list[str]:
        """The command and its arguments, with an example for what the page leaves open."""
        words = shlex.split(self.text)
        if self.reason == SYNOPSIS:
            words = [word.strip("[]") for word in words]
        return [STANDS_FOR.get(word, word) for word in words]


def command_lines(page: Path) -> Iterator[Line]:
    fence: str | None = None
    for number, line in enumerate(page.read_text("utf-8").splitlines(), 1):
        if line.startswith("```"):
            fence = line[3:].strip() if fence is None else None
            continue
        in_a_block = line.startswith("    ") if fence is None else fence not in MARKED
        if in_a_block and (found := COMMAND.fullmatch(line.strip().removeprefix("$ "))):
            yield Line(page.name, number, re.sub(r"\s+#\s.*", "", found[1]))


def blocks_of(text: str, language: str) -> Iterator[tuple[int, str]]:
    """Every fenced block of a language, with the line that it starts at."""
    for match in re.finditer(rf"^```{language}\n(.*?)^```", text, re.M | re.S):
        yield text[: match.start()].count("\n") + 1, match[1]
