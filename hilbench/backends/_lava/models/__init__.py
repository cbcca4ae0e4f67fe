"""Lava looks for models in the whole folder of a process, and imports all that it finds: so they stand apart."""
