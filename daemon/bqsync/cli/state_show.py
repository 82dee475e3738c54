"""What `bqsync state show` prints of a table, in words."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from bqsync.cli.output import say, within
from bqsync.observe.amounts import count, size
from bqsync.observe.moments import ago, moment
from bqsync.observe.standing import error_words

if TYPE_CHECKING:
    from bqsync.engine.state_file import StateFileView
    from bqsync.state.survey import FieldSurvey, SourceSurvey, TableSurvey, WatermarkSurvey


def show_file(view: StateFileView) -> None:
    """The state file as a whole."""
    found = view.survey
    holder = {None: "nobody", 0: "a process"}.get(view.holder, f"process {view.holder}")
    _say("file", f"{view.file}, {size(view.size_bytes)}, version {found.version}, instance {found.instance}")
    _say("in use by", holder)
    for source in found.sources:
        _say("source", _source(source))


def show_table(table: TableSurvey, *, is_configured: bool, now_us: int) -> None:
    """One table, a line for each thing that is known of it; `now_us` is the wall clock."""
    remark = "" if is_configured else "  (not in the configuration)"
    say("")
    say(within(f"{table.name} → {table.target or 'no target yet'}{remark}"))
    for label, text in _facts(table, now_us):
        _say(f"  {label}", text)


def _say(label: str, text: str) -> None:
    say(f"{label:<13} {within(text)}")


def _source(source: SourceSurvey) -> str:
    if source.inode is None:
        return f"{source.name}, never read"
    return (f"{source.name}: device {source.device}, inode {source.inode}, application_id {source.application_id}, "
            f"schema version {source.schema_cookie}, change counter {source.change_counter}")


def _facts(table: TableSurvey, now_us: int) -> Iterator[tuple[str, str]]:
    yield "ledger", _ledger(table)
    if table.key is not None:
        yield "key", table.key
    for watermark in table.watermarks:
        yield "watermark", _watermark(watermark)
    yield "sweep", _sweep(table, now_us)
    if table.sweep.suspicion is not None:
        yield "suspicion", f"{table.sweep.suspicion}; deletes are held back until a sweep has ended well"
    yield "quarantine", _quarantine(table)
    if table.deletes_held:
        confirm = f"bqsync sync {table.name} --confirm-deletes {table.deletes_held}"
        yield "held back", f"{count(table.deletes_held, 'delete')}: {confirm}"
    if table.intent is not None:
        yield "open MERGE", (f"job {table.intent.job_id}, since {moment(table.intent.created_us)}; the next cycle sees "
                             "it to its end")
    yield "last cycle", _last_cycle(table, now_us)
    if table.verified_us is not None:
        yield "compared", f"with its target, {moment(table.verified_us)}"
    if table.bytes_billed:
        day, size_bytes = max(table.bytes_billed.items())
        yield "billed", f"{size_bytes:,} bytes on {day}, UTC"
    yield "columns", ", ".join(map(_field, table.fields)) or "none yet"


def _ledger(table: TableSurvey) -> str:
    known = table.ledger
    text = f"{count(known.rows, 'row')}, about {size(known.bytes_about)}"
    if known.rows_unknown:
        text += f"; what the target holds under {count(known.rows_unknown, 'key')} is not known"
    return text if table.is_trusted else f"{text}; not trusted: the next cycle reads the target's keys"


def _watermark(watermark: WatermarkSurvey) -> str:
    kind = "counted by SQLite" if watermark.is_counted else watermark.timestamp_format or "no format"
    form = f", texts like {watermark.text_form}" if watermark.text_form else ""
    if watermark.unfit is not None:
        return f"{watermark.column}: can't be one, {watermark.unfit}"
    if watermark.is_counted:
        return f"{watermark.column} ({kind})"
    reached = "at its beginning" if watermark.reached_us is None else f"dealt with up to {moment(watermark.reached_us)}"
    return f"{watermark.column} ({kind}{form}): {reached}"


def _sweep(table: TableSurvey, now_us: int) -> str:
    sweep = table.sweep
    due = f"due: {sweep.reason}" if sweep.is_due else "none is due"
    cost = "" if sweep.walk_cost_us is None else f", the last walk took {sweep.walk_cost_us / 1_000_000:.1f} s"
    return f"{due}; last complete one {ago(sweep.ended_us, now_us)}{cost}; {sweep.asked} asked for"


def _quarantine(table: TableSurvey) -> str:
    reasons = ", ".join(f"{reason.value} {rows:,}" for reason, rows in table.quarantine.items())
    return f"{count(sum(table.quarantine.values()), 'row')}: {reasons}" if reasons else "empty"


def _last_cycle(table: TableSurvey, now_us: int) -> str:
    if table.attempt_us is None:
        return "none yet"
    if table.error is None:
        return f"ended well {ago(table.attempt_us, now_us)}"
    return (f"failed {ago(table.attempt_us, now_us)} ({error_words(table.error)}); last success "
            f"{ago(table.success_us, now_us)}")


def _field(field: FieldSurvey) -> str:
    column = field.column if field.target_column in (None, field.column) else f"{field.column} → {field.target_column}"
    fmt = "" if field.timestamp_format is None else f" ({field.timestamp_format})"
    return f"{column} {field.target_type}{fmt} #{field.number}"
