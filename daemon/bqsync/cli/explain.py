"""`bqsync explain`: why one row is, or is not, in BigQuery."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from bqsync.cli.completion import table_names
from bqsync.cli.options import common_options, json_option, stop_on_signals
from bqsync.cli.output import print_json, print_table, say, show_error, within

if TYPE_CHECKING:
    from bqsync.config import Config
    from bqsync.engine.evidence import Evidence
    from bqsync.engine.explain import Explanation
    from bqsync.engine.explanation import RowFacts


@click.command()
@click.argument("table", shell_complete=table_names)
@click.argument("key", nargs=-1, required=True)
@click.option("--values", is_flag=True, help="Also print the cells of the row, in the source and in BigQuery.")
@json_option
@common_options
def explain(table: str, key: tuple[str, ...], *, values: bool, as_json: bool, config: Config) -> int:
    """
    Say why one row is, or is not, in BigQuery, and what to do.

    KEY: its values of the key columns in the source, as `bqsync quarantine` prints them: 42, a text, x'00ff' for a
    blob, 'a text' in quotes where it could be taken for something else. Behind `--` they may begin with a dash.
    """
    from bqsync.engine.explain import KeyCountError, explain_row

    with stop_on_signals() as stop:
        try:
            found = explain_row(config, table, key, stop)
        except KeyCountError as error:
            raise click.UsageError(str(error)) from error
    if as_json:
        print_json(_as_dict(found, values=values))
    else:
        _show(found, values=values)
    return found.error.rule.exit_code if found.error is not None else 0


def _as_dict(found: Explanation, *, values: bool) -> dict[str, object]:
    shown: dict[str, object] = {"table": found.table, "key": found.key, "sentence": found.sentence.value,
                                "text": found.text}
    if found.facts is not None:
        facts = found.facts
        shown |= asdict(facts) | {
            "rejected": None if facts.rejected is None else {"column": facts.rejected[0], "reason": facts.rejected[1]},
            "intent": None if facts.intent is None else {"job_id": facts.intent[0], "end": facts.intent[1]},
        }
    evidence = found.evidence
    if evidence is not None:
        hidden = () if values else ("source", "target")
        waiting = evidence.quarantine
        shown |= {
            "target_table": evidence.target, "watermarks": [asdict(place) for place in evidence.watermarks],
            "unfit": dict(evidence.unfit), "last_sweep_us": evidence.last_sweep_us,
            "last_success_us": evidence.last_success_us, "marked_us": evidence.marked_us,
            "quarantine": None if waiting is None else {
                "column": waiting.column, "reason": waiting.reason.value, "since_us": waiting.since_us},
            "last_job": None if evidence.last_job is None else {
                "job_id": evidence.last_job[0], "created_us": evidence.last_job[1]},
            "columns": [{name: value for name, value in asdict(view).items() if name not in hidden}
                        for view in evidence.columns],
        }
    return shown


def _show(found: Explanation, *, values: bool) -> None:
    say(f"{within(found.table)} ({within(', '.join(found.key))})")
    if found.facts is not None and found.evidence is not None:
        for name, text in _lines(found.facts, found.evidence):
            say(f"  {name:<10}  {within(text)}")
        if values:
            print_table(["column", "source", "BigQuery", ""], [
                [view.name, _cell(view.source), _cell(view.target),
                 "" if view.is_equal is None else "equal" if view.is_equal else "DIFFERENT"]
                for view in found.evidence.columns])
    say(within(found.text))
    if found.error is not None:
        show_error(found.error)


def _lines(facts: RowFacts, evidence: Evidence) -> list[tuple[str, str]]:
    from bqsync.engine.row_columns import instant_text
    from bqsync.engine.sentences import LEDGER_TEXTS, TARGET_TEXTS

    def moment(instant_us: int | None) -> str:
        return "never" if instant_us is None else instant_text(instant_us)

    source = "absent" if not facts.source_rows else "present" if facts.source_rows == 1 else (
        f"{facts.source_rows} rows of this key")
    there = TARGET_TEXTS[facts.target]
    if facts.differing:
        there += f": {', '.join(facts.differing)}"
    if evidence.marked_us is not None:
        there += f", mark of {moment(evidence.marked_us)}"
    lines = [("source", source), ("ledger", LEDGER_TEXTS[facts.ledger]), ("BigQuery", f"{evidence.target}: {there}")]
    for place in evidence.watermarks:
        text = str if place.is_counted else instant_text
        at = "no instant" if place.row is None else text(place.row)
        begins = "the beginning" if place.begins is None else text(place.begins)
        verb = "reads" if place.is_in_range else "does not read"
        lines.append(("watermark", f"{place.column} is {at}; the next pass begins at {begins} and {verb} it"))
    lines += [("watermark", f"{name} can't be one: {why}") for name, why in evidence.unfit.items()]
    lines.append(("sweep", f"due: {facts.sweep_due}; the last one ended: {moment(evidence.last_sweep_us)}"))
    waiting = evidence.quarantine
    lines.append(("quarantine", "no" if waiting is None else
                  f"{waiting.reason.value} in column {waiting.column}, since {moment(waiting.since_us)}"))
    job = evidence.last_job
    lines.append(("last job", "none that is known" if job is None else f"{job[0]}, of {moment(job[1])}"))
    lines.append(("intent", "none" if facts.intent is None else f"{facts.intent[0]} ({facts.intent[1]})"))
    error = facts.table_error
    state = f"last success: {moment(evidence.last_success_us)}"
    lines.append(("table", state if error is None else f"fails with {error['code']}; {state}"))
    return lines


def _cell(text: str | None) -> str:
    return "-" if text is None else text
