"""
Those of Arrow's kernels that pages are made of, by the names that `pyarrow.compute` has for them.

That module writes a documented function for each of three hundred kernels when it is imported, which takes a tenth of
the start of the process. What it calls is underneath; where that is no longer found, it is imported after all.
"""

from __future__ import annotations

from typing import Any

import pyarrow as pa

try:
    from pyarrow._compute import CastOptions, MatchSubstringOptions, call_function
except ImportError:
    from pyarrow.compute import CastOptions, MatchSubstringOptions, call_function


def all(values: Any) -> Any:  # noqa: A001 - the kernel's name
    """Whether every value is true; NULL does not count."""
    return call_function("all", [values])


def any(values: Any) -> Any:  # noqa: A001 - the kernel's name
    """Whether a value is true; NULL does not count."""
    return call_function("any", [values])


def binary_join_element_wise(*parts_and_separator: Any) -> Any:
    """Texts or bytes of several columns one after another, row by row, the last argument between them."""
    return call_function("binary_join_element_wise", list(parts_and_separator))


def cast(values: Any, kind: pa.DataType) -> Any:
    """
    As values of another type.

    Raises:
        pyarrow.ArrowInvalid: a value would not be the same.
    """
    return call_function("cast", [values], CastOptions.safe(kind))


def fill_null(values: Any, value: object) -> Any:
    """With a value in the place of every NULL."""
    return call_function("coalesce", [values, pa.scalar(value, values.type)])


def less(left: Any, right: Any) -> Any:
    """Whether the left one is less, row by row."""
    return call_function("less", [left, right])


def match_substring(values: Any, pattern: str) -> Any:
    """Whether a text is in another one, row by row."""
    return call_function("match_substring", [values], MatchSubstringOptions(pattern))


def min_max(values: Any) -> Any:
    """The least and the greatest value; NULL does not count."""
    return call_function("min_max", [values])


def multiply(left: Any, right: Any) -> Any:
    """Products, row by row; wraps around."""
    return call_function("multiply", [left, right])
