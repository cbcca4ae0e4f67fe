"""What a user reads of a device that will not do: where it is, what was found, what is allowed."""

from __future__ import annotations

import pytest

from hilbench.bridge.client import refusals
from hilbench.bridge.protocol.handshakes import Hello
from hilbench.bridge.protocol.wire import Code, Sizes
from hilbench.errors import LinkError

SIZES = Sizes(1000, 8, 0, 0, 2, 0)


def test_a_device_with_the_right_program_or_backend_is_let_pass() -> None:
    refusals.check_backend("tcp://a:1", "numba", "numba")
    refusals.check_built_in("tcp://a:1", Hello(program_hash=bytes(16), sizes=SIZES), SIZES, bytes(16))


def test_another_backend_is_named_with_both_remedies() -> None:
    with pytest.raises(LinkError, match=r"^tcp://a:1: .*'loihi'; allowed here: 'numba'; .*kind loihi.*numba"):
        refusals.check_backend("tcp://a:1", "loihi", "numba")


def test_only_what_differs_of_a_built_in_program_is_told() -> None:
    there = Hello(program_hash=b"\x01" * 16, sizes=SIZES._replace(n_values_in=9))
    with pytest.raises(LinkError) as found:
        refusals.check_built_in("tcp://a:1", there, SIZES, bytes(16))
    assert f"n_values_in is 9, here 8, its hash is {'01' * 16}, here {'00' * 16};" in str(found.value)
    assert "n_values_out" not in str(found.value)


def test_an_error_has_its_name_or_none_that_this_version_knows() -> None:
    assert str(refusals.refused("tcp://a:1", Code.BUSY, "taken")) == "tcp://a:1: taken (error 9, BUSY)"
    assert str(refusals.refused("tcp://a:1", 99, "odd")) == "tcp://a:1: odd (error 99, unknown)"
    told = str(refusals.refused("tcp://a:1", Code.VERSION, "protocol version is 2"))
    assert told.endswith("(error 2, VERSION); install the same hilbench on both sides")
