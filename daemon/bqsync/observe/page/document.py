"""
The status page: a snapshot as HTML. Pure.

Names and messages come from elsewhere. Each is escaped, shown without control characters, and kept from turning the
text around it. What is wrong comes first, and of thousands of tables only so many are drawn.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bqsync.observe.amounts import count, size, span
from bqsync.observe.moments import ago, ahead, since, time_of_day
from bqsync.observe.page.style import SCRIPT, STYLE
from bqsync.observe.page.tables import card, compact, failure, marked, shown
from bqsync.observe.report import StatusReport, TableStatus
from bqsync.observe.snapshot import PastFailure, Snapshot
from bqsync.observe.standing import Kind, rank, report_words

_CARDS = 48
_ROWS = 400
_FAILURES = 20
_ICON = ("data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E%3Cpath fill='none' "
         "stroke='%232a5db0' stroke-width='2' d='M2 8h7L6 4m3 4-3 4M13 3v10'/%3E%3C/svg%3E")


def page(snapshot: Snapshot) -> str:
    """The whole document."""
    report = snapshot.report
    kind, words = report_words(report)
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<title>{"" if kind == "good" else "! "}{shown(report.source)}: {shown(words)}</title>'
        f'<link rel="icon" href="{_ICON}"><style>{STYLE}</style>'
        '<noscript><meta http-equiv="refresh" content="10"></noscript></head>\n<body>'
        '<div id="lost" role="alert" hidden>The daemon does not answer. What stands below is old.</div>\n'
        f"<main>{''.join(_parts(snapshot, kind, words))}</main>\n"
        '<footer>Refreshed every few seconds. The same for programs: <a href="status.json">status.json</a></footer>\n'
        f"<script>{SCRIPT}</script></body></html>\n"
    )


def _parts(snapshot: Snapshot, kind: Kind, words: str) -> Iterator[str]:
    report, now_us = snapshot.report, snapshot.taken_us
    yield f'<div class="top"><h1><bdi>{shown(report.source)}</bdi></h1><p class="state">{marked(kind, words)}</p></div>'
    yield f'<p class="where"><bdi>{shown(report.db)}</bdi></p>'
    yield from _whole(report, now_us)
    yield _figures(report, now_us)
    tables = sorted(report.tables, key=rank)
    yield "<h2>Tables</h2>"
    for place, table in enumerate(tables[:_CARDS]):
        yield card(table, snapshot.table(table.name), place=place, step_s=snapshot.history.step_s, now_us=now_us)
    yield from _others(tables[_CARDS:], now_us)
    yield from _failures(snapshot.history.failures, now_us)


def _whole(report: StatusReport, now_us: int) -> Iterator[str]:
    """What concerns all tables."""
    daemon = report.daemon
    if daemon is None:
        return
    yield from map(failure, daemon.failures)
    if daemon.outage_until_us is not None:
        yield f'<p class="soft">Tried again {ahead(daemon.outage_until_us, now_us)}.</p>'


def _figures(report: StatusReport, now_us: int) -> str:
    lags_s = [table.live.lag_s for table in report.tables if table.live is not None]
    billed, limit = sum(table.bytes_billed_today for table in report.tables), report.daily_bytes_billed_limit
    figures = [
        ("rows", f"{sum(table.rows for table in report.tables):,}"),
        ("greatest lag", span(max(lags_s, default=0.0)) if any(lags_s) else "none"),
        ("in quarantine", f"{sum(table.quarantined for table in report.tables):,}"),
        ("billed today", size(billed) if limit is None else f"{size(billed)} of {size(limit)}"),
    ]
    if report.daemon is not None:
        figures.append(("running for", since(report.daemon.started_us, now_us)))
    figures.append(("as of", time_of_day(now_us)))
    cells = "".join(f"<div><dt>{name}</dt><dd>{value}</dd></div>" for name, value in figures)
    return f'<dl class="figures sum">{cells}</dl>'


def _others(tables: Sequence[TableStatus], now_us: int) -> Iterator[str]:
    if not tables:
        return
    rows = "".join(compact(table, now_us) for table in tables[:_ROWS])
    yield (f'<h2>{count(len(tables), "more table")}</h2><table class="rest"><thead><tr><th scope="col">table</th>'
           f'<th scope="col">rows</th><th scope="col">lag</th><th scope="col" class="wide">last success</th>'
           f'<th scope="col">state</th></tr></thead><tbody>{rows}</tbody></table>')
    if len(tables) > _ROWS:
        more = len(tables) - _ROWS
        yield f'<p class="soft">And {more:,} that are no worse; <a href="status.json">all of them</a>.</p>'


def _failures(failures: Sequence[PastFailure], now_us: int) -> Iterator[str]:
    if not failures:
        return
    yield "<h2>Failures of the last hour</h2>"
    for place, one in enumerate(failures[:_FAILURES]):
        whose = "all tables" if one.table is None else f"<bdi>{shown(one.table)}</bdi>"
        often = "once" if one.times == 1 else f"{one.times:,} times"
        yield (
            f'<details id="failure-{place}"><summary>{shown(one.code)} <bdi>{whose}</bdi>, {often}, last '
            f"{ago(one.last_us, now_us)}</summary>"
            + failure({"code": one.code, "what": one.what, "why": one.why, "fix": one.fix}) + "</details>"
        )
