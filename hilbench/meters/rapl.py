"""RAPL: the energy counters of Intel and AMD processors, as Linux shows them under /sys/class/powercap."""

from __future__ import annotations

from pathlib import Path

from msgspec import Struct

from hilbench.types import Meter


class RaplConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of the RAPL meter."""

    root: str = "/sys/class/powercap"
    """Folder in which Linux shows the counters."""


class Rapl(Meter):
    """Processor packages by their RAPL counters, on Linux.

    The packages alone are read: cores and memory controllers lie inside them, and `psys` around them.
    """

    Config = RaplConfig
    accuracy = (
        "whole processor packages with everything that runs on them; in steps of 15 to 61 uJ, new about every 1 ms "
        "(Intel SDM vol. 3, RAPL)"
    )

    def __init__(self, config: RaplConfig) -> None:
        super().__init__(config)
        self._packages = {
            name: folder
            for folder in sorted(Path(config.root).glob("intel-rapl:*"))
            if (name := _text(folder / "name")).startswith("package")
        }
        self._last_uj: dict[str, int] = {}
        self._total_uj = 0

    def unavailable(self) -> str | None:
        """No folder, no package in it, or a counter that only root may read."""
        root = Path(self.config.root)
        if not root.is_dir():
            return f"{root} is absent: no Linux, or a virtual machine without RAPL"
        if not self._packages:
            return f"{root} shows no processor package"
        try:
            self.read_j()
        except PermissionError as error:
            return f"{error.filename} may be read by root alone"
        except (OSError, ValueError) as error:
            return f"a counter in {root} cannot be read: {error}"
        return None

    def domains(self) -> tuple[str, ...]:
        """`package-0` and so on."""
        return tuple(self._packages)

    def read_j(self) -> float:
        """Joules since the first reading. A counter that began again at 0 once since the last one is followed."""
        for name, folder in self._packages.items():
            now_uj = int((folder / "energy_uj").read_text())
            last_uj = self._last_uj.get(name, now_uj)
            if now_uj < last_uj:
                last_uj -= int((folder / "max_energy_range_uj").read_text())
            self._total_uj += now_uj - last_uj
            self._last_uj[name] = now_uj
        return self._total_uj * 1e-6


def _text(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""
