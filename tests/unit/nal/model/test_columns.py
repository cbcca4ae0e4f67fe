"""Tables with named columns: a row's order does not matter, and a row that lacks a column is no row."""

from __future__ import annotations

from enum import auto

import numpy as np
import pytest

from hilbench.nal.model.columns import Columns, table_of


class Place(Columns):
    LO = auto()
    HI = auto()
    ROW = auto()


def test_columns_are_filled_by_name_in_the_order_of_the_class():
    table = table_of(Place, [{"ROW": 3, "LO": 1, "HI": 2}, {"HI": 5, "LO": 4, "ROW": 6}], np.int64)
    assert table.dtype == np.int64
    assert table.tolist() == [[1, 2, 3], [4, 5, 6]]
    assert table[1, Place.HI] == 5


def test_a_table_may_have_the_first_columns_alone_and_no_rows():
    assert table_of(tuple(Place)[:2], [{"ROW": 3, "LO": 1, "HI": 2}], float).tolist() == [[1.0, 2.0]]
    assert table_of(Place, [], np.int64).shape == (0, 3)


def test_a_row_that_lacks_a_column_is_refused():
    with pytest.raises(KeyError, match="HI"):
        table_of(Place, [{"LO": 1, "ROW": 3}], np.int64)
