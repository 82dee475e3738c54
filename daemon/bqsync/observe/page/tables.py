"""One table on the status page: large, with its hour, or as a row among thousands. Pure."""

from __future__ import annotations

import html
from collections.abc import Iterator, Mapping, Sequence

from bqsync.errors import one_line
from bqsync.observe.amounts import count, short_span, size
from bqsync.observe.moments import ago, ahead
from bqsync.observe.page.chart import lag_chart
from bqsync.observe.report import TableStatus
from bqsync.observe.snapshot import PastCycle, TableHistory
from bqsync.observe.standing import SIGNS, Kind, lag_words, table_words


def shown(text: str) -> str:
    """A text of somebody else's, as it may stand in HTML."""
    return html.escape(one_line(text))


def marked(kind: Kind, words: str) -> str:
    """Words with a sign and a colour: `good`, `warn` or `bad`."""
    return f'<span class="{kind}"><span aria-hidden="true">{SIGNS[kind]}</span> {shown(words)}</span>'


def failure(error: Mapping[str, str]) -> str:
    """An error with its fix."""
    return (f'<div class="alarm"><p><strong>{shown(error["code"])}</strong> <bdi>{shown(error["what"])}</bdi></p>'
            f'<p class="soft"><bdi>{shown(error["why"])}</bdi></p>'
            f'<p class="fix"><span aria-hidden="true">→</span> <bdi>{shown(error["fix"])}</bdi></p></div>')


def card(table: TableStatus, history: TableHistory, *, place: int, step_s: float, now_us: int) -> str:
    """
    A table with its figures, its last hour, what is wrong, and its last cycles.

    Args:
        table: as it stands.
        history: its last hour.
        place: on the page; no other card has it.
        step_s: between two points of the lag.
        now_us: when all this was so.
    """
    target = f'<p class="where"><bdi>{shown(table.target)}</bdi></p>' if table.target else ""
    chart = lag_chart(history, step_s=step_s, now_us=now_us)
    worst_s = max(history.lag_s, default=0.0)
    caption = f"lag, at worst {short_span(worst_s)}" if worst_s else "no lag"
    return (
        f'<article class="table" aria-labelledby="table-{place}"><div><div class="top"><h3 id="table-{place}">'
        f'<bdi>{shown(table.name)}</bdi></h3><p class="state">{_state(table)}</p></div>{target}</div>'
        f'<dl class="figures">{"".join(_figures(table, now_us))}</dl>'
        f"<figure>{chart}<figcaption><span>an hour ago</span><span>{caption}</span><span>now</span></figcaption>"
        "</figure>"
        f'{"".join(_remarks(table, now_us))}{_cycles(history.cycles, place, now_us)}</article>\n'
    )


def compact(table: TableStatus, now_us: int) -> str:
    """A row of the list of the others."""
    return (f"<tr><td><bdi>{shown(table.name)}</bdi></td><td>{table.rows:,}</td><td>{lag_words(table)}</td>"
            f'<td class="wide">{ago(table.last_success_us, now_us)}</td><td>{_state(table)}</td></tr>\n')


def _state(table: TableStatus) -> str:
    return marked(*table_words(table))


def _figures(table: TableStatus, now_us: int) -> Iterator[str]:
    for name, value in (
        ("rows", f"{table.rows:,}"), ("lag", lag_words(table)), ("last success", ago(table.last_success_us, now_us)),
        ("in quarantine", f"{table.quarantined:,}"), ("billed today", size(table.bytes_billed_today)),
    ):
        yield f"<div><dt>{name}</dt><dd>{value}</dd></div>"


def _remarks(table: TableStatus, now_us: int) -> Iterator[str]:
    if table.last_error is not None:
        yield failure(table.last_error)
    if table.live is not None and table.live.paused_until_us is not None:
        yield (f'<p class="soft">{count(table.live.failures, "failure")} in a row; tried again '
               f"{ahead(table.live.paused_until_us, now_us)}.</p>")
    if table.confirm_deletes is not None:
        yield (f'<p class="soft">{count(table.deletes_held, "delete")} held back. If they were meant: '
               f"<code><bdi>{shown(table.confirm_deletes)}</bdi></code></p>")
    if table.quarantined:
        yield f'<p class="soft">Why rows wait: <code>bqsync quarantine <bdi>{shown(table.name)}</bdi></code></p>'


def _cycles(cycles: Sequence[PastCycle], place: int, now_us: int) -> str:
    if not cycles:
        return ""
    rows = "".join(_cycle(cycle, now_us) for cycle in cycles)
    return (f'<details id="cycles-{place}"><summary>Last cycles</summary><table><thead><tr><th scope="col">ended</th>'
            '<th scope="col">sent</th><th scope="col">deleted</th><th scope="col" class="wide">quarantined</th>'
            '<th scope="col">took</th><th scope="col" class="wide">billed</th><th scope="col">lag</th></tr></thead>'
            f"<tbody>{rows}</tbody></table></details>")


def _cycle(cycle: PastCycle, now_us: int) -> str:
    ended = f"{ago(cycle.ended_us, now_us)}, {'sweep' if cycle.swept else 'changes'}"
    if cycle.code is not None:
        often = "" if cycle.times == 1 else f", {cycle.times:,} times"
        ended = f"{ago(cycle.ended_us, now_us)}, {marked('bad', f'{cycle.code}{often}')}"
    lag = "-" if cycle.lag_s is None else short_span(cycle.lag_s)
    return (f"<tr><td>{ended}</td><td>{cycle.rows_upserted:,}</td><td>{cycle.rows_deleted:,}</td>"
            f'<td class="wide">{cycle.rows_quarantined:,}</td><td>{short_span(cycle.duration_s)}</td>'
            f'<td class="wide">{size(cycle.bytes_billed)}</td><td>{lag}</td></tr>')
