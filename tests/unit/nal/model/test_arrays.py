"""What a matrix of weights holds: 8 bytes a synapse, whatever the user's indices are."""

from __future__ import annotations

import numpy as np
import scipy.sparse

from hilbench.nal.model.arrays import sparse


def test_a_synapse_takes_eight_bytes_whatever_the_users_indices_are():
    given = scipy.sparse.csc_array((np.ones(6), np.tile(np.arange(3), 2), np.array([0, 3, 6], np.int64)), shape=(3, 2))
    given.indices, given.indptr = given.indices.astype(np.int64), given.indptr.astype(np.int64)
    found = sparse(given, (3, 2), False, "here")
    assert found.data.nbytes + found.indices.nbytes == 8 * found.nnz
    assert np.array_equal(found.toarray(), given.toarray())
