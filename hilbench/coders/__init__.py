"""Coders: from an observation to a tick's values and events, and from a reply to an action."""
