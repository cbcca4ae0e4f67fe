"""The bytes of docs/protocol.md: frames, ticks, states."""
