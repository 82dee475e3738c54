"""Key values as an operator types them. Pure."""

from __future__ import annotations

import re

from bqsync.model import Affinity, SqlValue

_BLOB = re.compile(r"[xX]'((?:[0-9a-fA-F]{2})*)'\Z")
_QUOTED = re.compile(r"'(.*)'\Z", re.DOTALL)
_INTEGER = re.compile(r"[+-]?[0-9]+\Z")
_REAL = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?\Z")
_INT64 = range(-(1 << 63), 1 << 63)


def key_value(word: str, affinity: Affinity) -> SqlValue:
    """
    The value that a word means in a key column.

    `x'00ff'` is a blob, `'…'` a text (a quote within it is doubled), NULL is NULL. Any other word is what SQLite makes
    of it in that column: in a TEXT column the word itself, elsewhere a number if it looks like one.
    Source: https://www.sqlite.org/datatype3.html#type_affinity
    """
    if blob := _BLOB.match(word):
        return bytes.fromhex(blob[1])
    if quoted := _QUOTED.match(word):
        return quoted[1].replace("''", "'")
    if word.upper() == "NULL":
        return None
    return word if affinity is Affinity.TEXT else _number(word, affinity)


def _number(word: str, affinity: Affinity) -> SqlValue:
    if affinity is not Affinity.REAL and _INTEGER.match(word) and int(word) in _INT64:
        return int(word)
    if not _REAL.match(word):
        return word
    number = float(word)
    is_stored_whole = affinity in (Affinity.INTEGER, Affinity.NUMERIC) and number.is_integer()
    return int(number) if is_stored_whole and int(number) in _INT64 else number
