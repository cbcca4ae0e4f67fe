"""Networks in Lava: what runs in Lava's processes, what the host computes, and the process that stands between.

`worker` and `processes` need Lava; the others do not.
"""
