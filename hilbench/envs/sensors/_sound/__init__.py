"""What the sensor `cochlea` is made of: sounds and rooms, the ways of sound to an ear, and the filters behind it.

Arguments that recur in its kernels:

- `ears`, (n_ears, 8) float64: a row for each, in the order of `Ear`.
- `echoes`, (n_echoes, 7) float64: those of a `Room`.
- `paths`, (n_ears, n_paths, 3) float64: of each way from a source to an ear the delay in s, the gain, and alpha, which
  high frequencies are multiplied by: 2 where the ear faces the source, near 0.1 behind the head. The echoes of the
  first source come first, then those of the second.
- `heard`, (n_ears, n_samples) float64: the pressure at each ear, in Pa.
"""
