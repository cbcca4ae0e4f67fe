"""What the event camera `dvs` is made of: scenes, the kernels that render them, and the pixels.

Arguments that recur in its kernels:

- `bodies`, (n, 11) float64: those of a `Scene`.
- `bounds`, (n, 4) int64: the columns and rows in which each body may show, first and end of each.
- `facts`, (6,) float64, `levels`, (n_levels, 3) int64, `texels`, (n_texels,) float32: those of a `Ground`.
- `focal_px`, float: the lens' focal length, in pixels.
- `placed`, (n, 12) float64: the camera's place and its axes (forward, left, up), as each body's own axes have them.
- `u`, `v`, float: a ray's way to the right and down, for a way of 1 along the camera's axis.
- `view`, (4, 3) float64: the camera's place in m, and its axes in the world.
"""
