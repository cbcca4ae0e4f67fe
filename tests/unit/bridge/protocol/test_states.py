"""SNAPSHOT, RESTORE and STATUS as bytes."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from hilbench.bridge.protocol import wire
from hilbench.bridge.protocol.states import Status, decode_states, decode_status, encode_states, encode_status
from hilbench.bridge.protocol.wire import Code, FrameError, Kind

kinds = st.sampled_from(
    [np.bool_, np.uint8, np.uint16, np.uint32, np.uint64, np.int32, np.int64, np.float32, np.float64]
)


@given(st.dictionaries(st.text(min_size=1, max_size=9), hnp.arrays(kinds, hnp.array_shapes(max_dims=3, min_side=0))))
def test_arrays_come_back_as_they_were(arrays):
    found, carry = decode_states(encode_states(Kind.RESTORE, 3, 4, arrays, "weights"))
    assert carry == "weights"
    assert found.keys() == arrays.keys()
    for name, array in arrays.items():
        assert (found[name].dtype, found[name].shape) == (array.dtype, array.shape)
        assert found[name].tobytes() == array.tobytes()


def test_other_byte_orders_are_turned():
    found, _ = decode_states(encode_states(Kind.SNAPSHOT, 3, 4, {"a": np.arange(3, dtype=">f8")}))
    np.testing.assert_array_equal(found["a"], [0.0, 1.0, 2.0])


@pytest.mark.parametrize(
    "array",
    [
        ["<f8", [2], bytes(8)],
        ["<c16", [1], bytes(16)],
        ["|O", [1], bytes(8)],
        ["<f8", [-1], b""],
        ["<f8", [2**41], b""],
        ["<f4", [0, 2**40, 2**40, 2**40], b""],
        ["<f4", [0, 2**29, 2**29, 2**29], b""],
        ["<f4", [2**29, 2**29, 0], b""],
    ],
)
def test_an_array_that_is_none_is_refused(array):
    body = msgspec.msgpack.encode({"arrays": {"a": array}, "carry": "all"})
    with pytest.raises(FrameError) as caught:
        decode_states(wire.frame(Kind.RESTORE, 1, 1, body))
    assert caught.value.code == Code.BODY


def test_a_status_comes_back():
    status = Status(1, 2, 3, 4, 5, 56.5)
    assert decode_status(encode_status(1, 2, status)) == status
