"""What the sensor `cochlea` is made of: sounds and rooms, the ways of sound to an ear, and the filters behind it.

Arguments that recur in its kernels:

- `ears`, (n_ears, 8) float64: a row for each, in the order of `Ear`.
- `echoes`, (n_echoes, 7) float64: those of a `Room`, in the columns of `EchoColumn`.
- `paths`, (n_ears, n_paths, 3) float64: each way from a source to an ear, in the columns of `PathColumn`; the echoes of
  the first source, then those of the second.
- `heard`, (n_ears, n_samples) float64: the pressure at each ear, in Pa.
"""
