"""The compiled engine of `backends/numba.py`: tables, kernels, and what a step of each kind of part does.

Arguments that recur in its kernels:

- `after_test`, (n_slots, n) float64: the ring of input that acts after it.
- `before_test`, (n_slots, n) float64: the ring of input that acts before the threshold test.
- `now`, int: the clock, in network steps.
- `part`, int: the number of this part, from 0 on.
- `row`, (n,) int64: the row of one population in POPULATIONS.
- `sig`, tuple of numba types: the signature.
- `table`, (n_entries,) int64: the kernel's table: sizes and addresses.
"""
