"""The plainest encoder and decoder, and a controller of them."""

from __future__ import annotations

from hilbench.types import BuiltController, Decoder, Encoder


class Whole(Encoder):
    """The observation as values, and the sensors' events as they are."""

    def __init__(self):
        """It has no settings."""

    def encode(self, obs, events, values):
        values[:] = obs
        return events


class Direct(Decoder):
    """Values as the action."""

    def __init__(self):
        """It has no settings."""

    def decode(self, values, events, action):
        action[:] = values


def built(program, encoder=None, decoder=None, **parts):
    return BuiltController(program, encoder or Whole(), decoder or Direct(), **parts)
