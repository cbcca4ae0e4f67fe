"""Networks in Lava: what runs in Lava's processes, what the host computes, and the process that stands between.

`worker` and `models` need Lava; the others do not.
"""
