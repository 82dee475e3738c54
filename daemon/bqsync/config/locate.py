"""
Line numbers for the keys of a TOML text. Pure.

`tomllib` keeps no positions. It has already parsed the text, so this scanner may rely on valid TOML and needs to know
only where keys, strings, arrays and inline tables begin and end. Where it loses the thread it names no line at all:
a missing line is an inconvenience, a wrong one sends people to the wrong place.
"""

import re
import tomllib
from bisect import bisect_right

KeyPath = tuple[str | int, ...]

_BLANK = re.compile(r"[ \t]*")
_VOID = re.compile(r"(?:[ \t\r\n]+|#[^\n]*)*")
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_QUOTED_KEY = re.compile(r'"(?:[^"\\\n]|\\.)*"|\'[^\'\n]*\'')
_STRING = re.compile(
    r'"""(?:[^\\]|\\.)*?""""{0,2}'
    r"|'''.*?''''{0,2}"
    r'|"(?:[^"\\\n]|\\.)*"'
    r"|'[^'\n]*'",
    re.DOTALL,
)
_SCALAR = re.compile(r"[^,\]}#\n]+")


class Locator:
    """Finds the line of a key by its path, such as `("tables", 0, "key")`."""

    def __init__(self, text: str) -> None:
        self._lines: dict[KeyPath, int] = {}
        try:
            scanner = _Scanner(text)
            scanner.document()
            self._lines = scanner.lines
        except (_LostThreadError, tomllib.TOMLDecodeError, RecursionError):
            pass

    def line(self, *path: str | int) -> int | None:
        """Line of the key, of the table's header or of the array's element, from 1; None where it is not known."""
        return self._lines.get(path)


class _LostThreadError(Exception):
    """The text is not what the scanner takes it for."""


class _Scanner:
    def __init__(self, text: str) -> None:
        self.lines: dict[KeyPath, int] = {}
        self._text = text
        self._at = 0
        self._starts = [0, *(match.end() for match in re.finditer("\n", text))]
        self._last_element: dict[KeyPath, int] = {}

    def document(self) -> None:
        """Walk the whole text."""
        table: KeyPath = ()
        while self._skip(_VOID) < len(self._text):
            if self._text.startswith("[", self._at):
                table = self._header()
            else:
                self._pair(table)

    def _header(self) -> KeyPath:
        start = self._at
        brackets = 2 if self._text.startswith("[[", self._at) else 1
        self._at += brackets
        *parents, last = self._dotted_key()
        self._expect("]" * brackets)
        path: KeyPath = ()
        for part in parents:
            path = self._descend((*path, part))
            self._record(path, start)
        path = (*path, last)
        self._record(path, start)
        if brackets == 2:
            self._last_element[path] = self._last_element.get(path, -1) + 1
        path = self._descend(path)
        self._record(path, start)
        return path

    def _descend(self, path: KeyPath) -> KeyPath:
        """A header that goes through an array of tables means its latest element."""
        return (*path, self._last_element[path]) if path in self._last_element else path

    def _pair(self, table: KeyPath) -> None:
        start = self._at
        path = table
        for part in self._dotted_key():
            path = (*path, part)
            self._record(path, start)
        self._expect("=")
        self._value(path)

    def _dotted_key(self) -> list[str]:
        parts = [self._simple_key()]
        while self._peek() == ".":
            self._at += 1
            parts.append(self._simple_key())
        return parts

    def _simple_key(self) -> str:
        self._skip(_BLANK)
        quoted = _QUOTED_KEY.match(self._text, self._at)
        match = quoted or _BARE_KEY.match(self._text, self._at)
        if match is None:
            raise _LostThreadError
        self._at = match.end()
        self._skip(_BLANK)
        return str(tomllib.loads(f"key = {match[0]}")["key"]) if quoted else match[0]

    def _value(self, path: KeyPath) -> None:
        self._skip(_BLANK)
        opening = self._peek()
        if opening == "[":
            self._array(path)
        elif opening == "{":
            self._inline_table(path)
        else:
            match = (_STRING if opening in {'"', "'"} else _SCALAR).match(self._text, self._at)
            if match is None:
                raise _LostThreadError
            self._at = match.end()

    def _array(self, path: KeyPath) -> None:
        self._at += 1
        index = 0
        self._skip(_VOID)
        while self._peek() != "]":
            self._record((*path, index), self._at)
            self._value((*path, index))
            index += 1
            self._separator("]")
        self._at += 1

    def _inline_table(self, path: KeyPath) -> None:
        self._at += 1
        self._skip(_VOID)
        while self._peek() != "}":
            self._pair(path)
            self._separator("}")
        self._at += 1

    def _separator(self, closing: str) -> None:
        self._skip(_VOID)
        if self._peek() == ",":
            self._at += 1
            self._skip(_VOID)
        elif self._peek() != closing:
            raise _LostThreadError

    def _expect(self, token: str) -> None:
        if not self._text.startswith(token, self._at):
            raise _LostThreadError
        self._at += len(token)

    def _peek(self) -> str:
        return self._text[self._at : self._at + 1]

    def _skip(self, pattern: re.Pattern[str]) -> int:
        match = pattern.match(self._text, self._at)
        self._at = match.end() if match else self._at
        return self._at

    def _record(self, path: KeyPath, position: int) -> None:
        self.lines.setdefault(path, bisect_right(self._starts, position))
