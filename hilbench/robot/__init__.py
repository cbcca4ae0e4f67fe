"""The wire to a robot that is a plant: frames, transport, session, and what two clocks say of a latency."""
