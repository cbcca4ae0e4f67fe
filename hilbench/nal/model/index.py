"""A Network's ports by name and its projections by their ends.

A look-up for each of n parts must not search all n parts: a program of 100 000 populations would take an hour to load.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice
from typing import Any

from hilbench.types import Port

Ports = tuple[Port, ...]


class PortIndex:
    """The ports of a tuple by name, indexed again when it is asked for another tuple."""

    def __init__(self) -> None:
        self._made_of: Ports = ()
        self._by_name: dict[str, Port] = {}

    def of(self, ports: Ports) -> dict[str, Port]:
        """These ports by name."""
        if ports is not self._made_of:
            self._made_of, self._by_name = ports, {port.name: port for port in ports}
        return self._by_name

    def extended(self, ports: Ports, port: Port) -> Ports:
        """These ports and one more.

        Parameters
        ----------
        ports : tuple of Port
            The ports so far.
        port : Port
            The new one.
        """
        self.of(ports)[port.name] = port
        self._made_of = (*ports, port)
        return self._made_of


class Groups:
    """The names of a dict's entries, grouped by `key(entry)`; the groups follow a dict that grows."""

    def __init__(self, key: Callable[[Any], str]) -> None:
        self._key = key
        self._groups: dict[str, list[str]] = {}
        self._n, self._last = 0, ""

    def of(self, entries: dict[str, Any], group: str) -> list[str]:
        """The names of the entries of a group, in the dict's order.

        Parameters
        ----------
        entries : dict
            The dict that is followed; the same one in every call.
        group : str
            The group's value of `key`.
        """
        n_new = len(entries) - self._n
        names = list(islice(reversed(entries), max(0, n_new) + (self._n > 0)))[::-1]
        if self._n and (n_new < 0 or names.pop(0) != self._last):  # some have been taken away
            self._clear()
            names = list(entries)
        for name in names:
            self._groups.setdefault(self._key(entries[name]), []).append(name)
            self._last = name
        self._n = len(entries)
        return self._groups.get(group, [])

    def _clear(self) -> None:
        self._groups = {}
        self._n, self._last = 0, ""
