"""What numba compiles is kept on disk: backends and sensors compile, and must not know each other."""
