"""A log as it is read by people: line by line, with a heading for each day. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, tzinfo
from typing import Any

from bqsync.observe.lines import json_of
from bqsync.observe.render import escape_json, moment_of, plain_line, text_line
from bqsync.observe.selection import Selection


class Transcript:
    """
    Turns lines of a log into lines for a terminal.

    Args:
        selection: of lines.
        color: with the escape sequences of a terminal.
        zone: of times; None for that of the machine.
    """

    def __init__(self, selection: Selection, *, color: bool, zone: tzinfo | None = None) -> None:
        self._selection = selection
        self._color = color
        self._zone = zone
        self._day: date | None = None

    def shown(self, lines: Sequence[bytes]) -> Iterator[str]:
        """What is to be shown of some lines, each without its end."""
        for line in lines:
            event = self._selection.event_of(line)
            if event is not None:
                yield from self._heading(event)
                yield text_line(event, color=self._color, zone=self._zone)
            elif self._selection.admits_plain(line):
                text = json_of(line).decode("utf-8", "backslashreplace")
                yield plain_line(text, color=self._color)

    def _heading(self, event: Mapping[str, Any]) -> Iterator[str]:
        moment = moment_of(event, self._zone)
        if moment is not None and moment.date() != self._day:
            self._day = moment.date()
            yield plain_line(f"-- {self._day:%Y-%m-%d, %A} --", color=self._color)


def selected(lines: Sequence[bytes], selection: Selection, *, escape: bool) -> Iterator[str]:
    """
    The events among some lines, as they are.

    Args:
        lines: as they came.
        selection: of events; what is no event is left out.
        escape: what would steer a terminal, by JSON's own means: the value stays the same.
    """
    for line in lines:
        if selection.event_of(line) is not None:
            text = (line if line[:1] == b"{" else json_of(line)).decode()
            yield escape_json(text.rstrip()) if escape else text
