"""Learning rules: one file each, with the scalar equations that every engine runs."""

from __future__ import annotations

from msgspec import Struct

from hilbench.types import Name


class Rule(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a projection's weights change while the network runs. `modulator` names the signal that drives it."""

    modulator: Name
