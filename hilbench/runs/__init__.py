"""One run from a scenario to its folder, and from a folder to its replay."""
