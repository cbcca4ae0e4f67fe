"""How a loop reaches a device: wire format, sessions, links and the device server."""
