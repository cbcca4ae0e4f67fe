"""Tables of numbers whose columns have names, so that what fills a row and what reads it need not agree on an order."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray


class Columns(IntEnum):
    """The columns of a table, counted from 0. A member is an index, in compiled code too."""

    @staticmethod
    def _generate_next_value_(name: str, start: int, count: int, last_values: list[int]) -> int:
        return count


def table_of(columns: Iterable[IntEnum], rows: Iterable[Mapping[str, float]], dtype: type) -> NDArray:
    """(n_rows, n_columns) from rows that give each column by its name.

    Parameters
    ----------
    columns : iterable of IntEnum
        The table's columns in their order: a class of them, or the first ones of a class.
    rows : iterable of dict
        By the name of a column, the number in it.
    dtype : type
        Of the table.
    """
    names = [column.name for column in columns]
    return np.array([[row[name] for name in names] for row in rows], dtype).reshape(-1, len(names))
