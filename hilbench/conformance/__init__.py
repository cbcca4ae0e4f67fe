"""Every backend against the reference, feature by feature."""
