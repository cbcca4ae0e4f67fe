"""A robot for hilbench, and all that it needs, from a package that hilbench does not know."""
