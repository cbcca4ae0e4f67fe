"""Engines and devices that run a Program; a file or folder each."""
