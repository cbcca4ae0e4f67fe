"""What a device's server asks of the place where it listens, whatever carries the frames."""

from __future__ import annotations

from typing import Protocol


class Listener(Protocol):
    """Frames of several plants in, answers out."""

    address: str
    """Where plants reach it, with its real port or path."""

    @property
    def broken(self) -> int:
        """Frames dropped because their bytes were wrong."""

    def receive(self) -> tuple[bytes, bytes | None] | None:
        """Who sent the next frame, and the frame; None for one whose connection has ended. None when nothing comes."""

    def send(self, plant: bytes, frame: bytes) -> None:
        """Send without waiting; what a plant has no room for is lost.

        Parameters
        ----------
        plant : bytes
            Who it is for, as `receive` names them.
        frame : bytes
            The frame.
        """

    def admit(self, plant: bytes) -> None:
        """Let this plant, which has opened a session, send long frames."""
