"""How networks learn in the reference."""
