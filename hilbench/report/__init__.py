"""Evaluations and runs as one page."""
