"""Draws docs/architecture.svg: hilbench's floors and packages, with an arrow for each import between two packages.

`python docs/scripts/architecture.py` draws it anew. Floors are those of tests/test_layers.py, imports those of the
source. An arrow has the colour of what it leads to, and all arrows to one package join on their way down.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "hilbench"
OUT = ROOT / "docs" / "architecture.svg"

PLACES = {
    "testing": (74, "contract tests"),
    "cli": (252, "commands"),
    "__main__": (468, "python -m hilbench"),
    "__init__": (652, "import hilbench"),
    "clips": (534, "moving pictures"),
    "studies": (290, "suites, summaries"),
    "report": (534, "the HTML page"),
    "runs": (412, "build, run, replay"),
    "machine": (412, "the host, doctor"),
    "loop": (412, "owns time"),
    "record": (250, "a run's files"),
    "meters": (51, "joules"),
    "controllers": (160, "laws, networks"),
    "conformance": (282, "by the reference"),
    "backends": (404, "run a program"),
    "metrics": (525, "a run's numbers"),
    "bridge": (648, "links, devices"),
    "envs": (753, "plants"),
    "firmware": (470, "a network as C"),
    "robot": (640, "the wire to one"),
    "coders": (182, "encode, decode"),
    "nal": (388, "networks, NIR"),
    "scenario": (590, "what a file says"),
    "lines": (730, "COBS, serial"),
    "errors": (56, "one line each"),
    "files": (149, "whole or not"),
    "types": (233, "contracts"),
    "seeding": (329, "random streams"),
    "settings": (434, "a table checked"),
    "plugins": (542, "found, not listed"),
    "modules": (645, "by permission"),
    "compiled": (743, "kernels, kept"),
}
"""Package -> the middle of its box in pixels, and a word on what is in it."""
COLOURS = {
    "nal": "#1f6fb4", "scenario": "#d9730d", "metrics": "#2e8b57", "record": "#8250c4", "loop": "#c0392b",
    "runs": "#0f8b8d", "machine": "#8a5a2b", "studies": "#c2458a",
}  # fmt: skip
"""Of the packages that many import."""
OTHERS = "#5b6570"
WIDTH, MARGIN = 800, 14
BOX_WIDTH, BOX_HEIGHT = 104, 38
WIDTHS = {
    "meters": 74, "controllers": 96, "conformance": 108, "backends": 90, "metrics": 98, "bridge": 92, "envs": 62,
    "__main__": 132, "studies": 120, "runs": 120, "testing": 116, "cli": 220, "__init__": 160, "plugins": 108,
    "seeding": 98, "errors": 86, "files": 82, "types": 72, "settings": 98, "modules": 86, "compiled": 86,
}  # fmt: skip
"""Of boxes that are not as wide as most."""
GAPS = {9: 60, 8: 56, 7: 58, 6: 50, 5: 44, 4: 56, 3: 50, 2: 38, 1: 30}
"""Pixels between a floor and the next one down."""
LANE, CLEAR = 8, 7
"""Between two arrows, and between an arrow and a box, at least."""


class Box(NamedTuple):
    name: str
    floor: int
    x: float
    top: float
    width: float

    @property
    def left(self) -> float:
        return self.x - self.width / 2

    @property
    def right(self) -> float:
        return self.x + self.width / 2

    @property
    def bottom(self) -> float:
        return self.top + BOX_HEIGHT


def floors() -> tuple[tuple[str, ...], ...]:
    """The packages of each floor, from the ground up, as tests/test_layers.py has them."""
    tree = ast.parse((ROOT / "tests" / "test_layers.py").read_text("utf-8"))
    return next(
        ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "LAYERS"
    )


def imports() -> set[tuple[str, str]]:
    """Every pair of packages, or files at the top, of which the first imports the second."""
    found = set()
    for path in PACKAGE.rglob("*.py"):
        here = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            found |= {(here, there) for there in _imported(node) if there != here}
    return found


def _imported(node: ast.AST) -> Iterator[str]:
    """The packages that an import statement names."""
    names = [alias.name for alias in node.names] if isinstance(node, ast.Import | ast.ImportFrom) else []
    if isinstance(node, ast.ImportFrom):
        names = [f"{node.module}.{name}" for name in names]
    yield from (name.split(".")[1] for name in names if name.startswith("hilbench."))


def boxes() -> dict[str, Box]:
    """A box for each package. Raises SystemExit for one that has no place yet."""
    found, top = {}, float(MARGIN)
    for floor, names in reversed(list(enumerate(floors()))):
        for name in names:
            if name not in PLACES:
                raise SystemExit(f"{name}: give it a place in PLACES of {Path(__file__).name}")
            found[name] = Box(name, floor, PLACES[name][0], top, WIDTHS.get(name, BOX_WIDTH))
        top += BOX_HEIGHT + GAPS.get(floor, 0)
    return found


def arrows() -> set[tuple[str, str]]:
    """The imports that are drawn: all but those of the ground floor, which every package may import."""
    ground = floors()[0]
    return {(here, there) for here, there in imports() if there not in ground}


def lanes(placed: dict[str, Box], drawn: set[tuple[str, str]]) -> dict[tuple[str, int], float]:
    """Where the arrows to a package pass each floor above it: between boxes, and apart from those to others."""
    found: dict[tuple[str, int], float] = {}
    taken: dict[int, list[float]] = {box.floor: [] for box in placed.values()}
    highest = {there: max(placed[here].floor for here, other in drawn if other == there) for _, there in drawn}
    for there in sorted(highest, key=lambda name: (placed[name].floor - highest[name], name)):
        x = placed[there].x
        for floor in range(placed[there].floor + 1, highest[there]):
            walls = [box for box in placed.values() if box.floor == floor]
            free = [at for at in range(MARGIN, WIDTH - MARGIN) if _free(at, walls, taken[floor])]
            if not free:
                raise SystemExit(f"floor {floor} has no room for the arrows to {there}: make its boxes narrower")
            x = min(free, key=lambda at: abs(at - x))
            taken[floor].append(x)
            found[there, floor] = x
    return found


def _free(x: float, walls: list[Box], others: list[float]) -> bool:
    between = all(x < box.left - CLEAR or x > box.right + CLEAR for box in walls)
    return between and all(abs(x - other) >= LANE for other in others)


def path(here: Box, there: Box, port: float, placed: dict[str, Box], lane: dict[tuple[str, int], float]) -> str:
    """An arrow's way, as SVG has it: from `port` at the bottom of a box down its lanes to the top of another."""
    if here.floor == there.floor:
        start, end = (here.left, there.right + 7) if here.x > there.x else (here.right, there.left - 7)
        return f"M{start:g} {here.top + BOX_HEIGHT / 2:g}H{end:g}"
    tops = {box.floor: box.top for box in placed.values()}
    steps = [f"M{port:g} {here.bottom:g}"]
    x, y = port, here.bottom
    for floor in range(here.floor - 1, there.floor, -1):
        steps.append(_curve(x, y, lane[there.name, floor], tops[floor]) + f"V{tops[floor] + BOX_HEIGHT:g}")
        x, y = lane[there.name, floor], tops[floor] + BOX_HEIGHT
    return "".join([*steps, _curve(x, y, there.x, there.top - 7)])


def _curve(x: float, y: float, to_x: float, to_y: float) -> str:
    middle = (y + to_y) / 2
    return f"V{to_y:g}" if x == to_x else f"C{x:g} {middle:g} {to_x:g} {middle:g} {to_x:g} {to_y:g}"


def draw() -> str:
    """The picture, as SVG."""
    placed, drawn = boxes(), arrows()
    lane = lanes(placed, drawn)
    ground = placed[floors()[0][0]]
    height = ground.bottom + 34
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:g}" width="{WIDTH}"'
        f' height="{height:g}" font-family="Helvetica, Arial, sans-serif" text-anchor="middle">',
        "<title>The packages of hilbench by floor, and their imports</title>",
        f'<rect width="{WIDTH}" height="{height:g}" fill="#ffffff"/>',
    ]
    tops = {box.floor: box.top for box in placed.values()}
    for floor, top in tops.items():
        shade = "#eef1f4" if floor else "#e3e7ec"
        lines.append(f'<rect x="0" y="{top - 7:g}" width="{WIDTH}" height="{BOX_HEIGHT + 14}" fill="{shade}"/>')
        lines.append(f'<text x="7" y="{top + 4:g}" font-size="11" fill="#777">{floor}</text>')
    for here in sorted(placed.values(), key=lambda box: (-box.floor, box.x)):
        lines += _arrows_from(here, placed, drawn, lane)
    for box in placed.values():
        lines += _box(box)
    lines.append(
        f'<text x="{WIDTH / 2:g}" y="{height - 9:g}" font-size="12.5" fill="#333">Every package may import the ground'
        " floor. An arrow leads from a package to one that it imports, in that one's colour.</text>"
    )
    return "\n".join([*lines, "</svg>", ""])


def _arrows_from(
    here: Box, placed: dict[str, Box], drawn: set[tuple[str, str]], lane: dict[tuple[str, int], float]
) -> Iterator[str]:
    """The arrows of one package, side by side at its bottom in the order in which they go on."""
    targets = [placed[name] for other, name in drawn if other == here.name]
    down = [box for box in targets if box.floor < here.floor]
    down.sort(key=lambda box: (lane.get((box.name, here.floor - 1), box.x), box.name))
    ports = {box.name: here.left + here.width * (i + 1) / (len(down) + 1) for i, box in enumerate(down)}
    for box in sorted(targets, key=lambda box: box.name):
        colour = COLOURS.get(box.name, OTHERS)
        way = path(here, box, ports.get(box.name, 0), placed, lane)
        yield (
            f'<path d="{way}" fill="none" stroke="{colour}" stroke-width="1.6">'
            f"<title>{here.name} imports {box.name}</title></path>"
        )
        yield _head(here, box, colour)


def _head(here: Box, there: Box, colour: str) -> str:
    """The head of an arrow, at the top or the side of what it leads to."""
    if here.floor > there.floor:
        return f'<path d="M{there.x:g} {there.top:g}l-4.5 -9h9z" fill="{colour}"/>'
    side, out = (there.right, 9) if here.x > there.x else (there.left, -9)
    return f'<path d="M{side:g} {there.top + BOX_HEIGHT / 2:g}l{out} -4.5v9z" fill="{colour}"/>'


def _box(box: Box) -> Iterator[str]:
    colour = COLOURS.get(box.name, OTHERS)
    yield (
        f'<rect x="{box.left:g}" y="{box.top:g}" width="{box.width:g}" height="{BOX_HEIGHT}" rx="5" fill="#ffffff"'
        f' stroke="{colour}" stroke-width="1.6"/>'
    )
    yield f'<text x="{box.x:g}" y="{box.top + 16:g}" font-size="14" font-weight="bold" fill="#111">{box.name}</text>'
    yield f'<text x="{box.x:g}" y="{box.top + 31:g}" font-size="11.5" fill="#444">{PLACES[box.name][1]}</text>'


if __name__ == "__main__":
    OUT.write_text(draw(), "utf-8")
