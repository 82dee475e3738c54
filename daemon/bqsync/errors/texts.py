"""Names and words of somebody else's, for a place in a text of ours."""

from __future__ import annotations


def utf8(text: str) -> str:
    """The text with what has no UTF-8 escaped: Python reads the bytes of a file's name that are none as surrogates."""
    return text.encode("utf-8", "backslashreplace").decode()


def one_line(text: str) -> str:
    """Without control characters: a value can neither break the line nor steer the terminal."""
    if text.isprintable():
        return text
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode() for character in text
    )
