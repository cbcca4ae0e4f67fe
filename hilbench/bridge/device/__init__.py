"""A device: listens, answers one plant at a time, and runs one backend."""
