"""Why a row is, or is not, in BigQuery: what is known of it in, one sentence out. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from bqsync.encode.rejection import EXPLANATIONS
from bqsync.engine.sentences import LEDGER_TEXTS, TEXTS, LedgerWord, Sentence, TargetWord, Way
from bqsync.errors import ErrorKind
from bqsync.model import DeletePolicy, Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class RowFacts:
    """All that decides on the sentence."""

    table: str
    has_null_key: bool = False
    source_rows: int
    """Of this very key; more than one where the source does not keep it unique."""
    rejected: tuple[str, Reason] | None = None
    """Column and reason, where the row as it stands can't be delivered."""
    is_rejection_noted: bool = False
    """That very verdict is in quarantine."""
    was_synced: bool = True
    """The state knows the table."""
    ledger: LedgerWord
    target: TargetWord
    differing: tuple[str, ...] = ()
    """The columns that differ, by their names in BigQuery."""
    way: Way
    sweep_due: str
    """In words: `now`, or an instant."""
    deletes: DeletePolicy
    is_reconciled: bool = True
    """The ledger speaks of the target as it stands."""
    intent: tuple[str, str] | None = None
    """Job and end of a MERGE whose end is not noted."""
    table_error: Mapping[str, str] | None = None
    """What the last cycle of the table has failed with."""
    bigquery_error: Mapping[str, str] | None = None
    """Why BigQuery could not be asked."""

    @property
    def is_in_target(self) -> bool:
        """Whether some version of this row stands in BigQuery."""
        return self.ledger is not LedgerWord.ANOTHER and self.target in (
            TargetWord.SAME, TargetWord.DIFFERENT, TargetWord.PRESENT, TargetWord.TWICE)


def conclude(facts: RowFacts) -> tuple[Sentence, str]:
    """The one sentence that is true of a row, and its text."""
    sentence = _sentence(facts)
    return sentence, TEXTS[sentence].format_map(_words(facts))


def _sentence(facts: RowFacts) -> Sentence:
    if facts.has_null_key:
        return Sentence.NULL_KEY
    if facts.target is TargetWord.UNASKED:
        return Sentence.BIGQUERY_UNREACHABLE
    if facts.target is TargetWord.TWICE:
        return Sentence.TWICE_IN_BIGQUERY
    if facts.source_rows > 1:
        return Sentence.KEY_TWICE
    return _of_present(facts) if facts.source_rows else _of_absent(facts)


def _of_present(facts: RowFacts) -> Sentence:
    if facts.rejected is not None:
        if not facts.is_rejection_noted:
            return Sentence.REFUSED_NEXT
        return Sentence.REFUSED_STALE if facts.is_in_target else Sentence.REFUSED_ABSENT
    if facts.target is TargetWord.SAME:
        return Sentence.IN_BIGQUERY
    held_up = _held_up(facts, but=ErrorKind.DELETES_HELD_BACK)
    if held_up is not None:
        return held_up
    if facts.ledger is LedgerWord.SAME:
        return Sentence.ALTERED_IN_BIGQUERY if facts.is_in_target else Sentence.LOST_IN_BIGQUERY
    return {Way.WATERMARK: Sentence.WAITS_FOR_WATERMARK, Way.SWEEP: Sentence.WAITS_FOR_SWEEP,
            Way.CYCLE: Sentence.WAITS_FOR_CYCLE, Way.NOTHING: Sentence.OUT_OF_REACH}[facts.way]


def _of_absent(facts: RowFacts) -> Sentence:
    if facts.target is TargetWord.MARKED:
        return Sentence.MARKED
    if not facts.is_in_target:
        return Sentence.NOWHERE
    if facts.was_synced and facts.deletes is DeletePolicy.IGNORE:
        return Sentence.KEPT
    if facts.table_error is not None and facts.table_error["kind"] == ErrorKind.DELETES_HELD_BACK:
        return Sentence.DELETE_HELD_BACK
    held_up = _held_up(facts)
    if held_up is not None:
        return held_up
    return Sentence.FOREIGN_ROW if facts.ledger is LedgerWord.NONE else Sentence.DELETE_WAITS


def _held_up(facts: RowFacts, *, but: ErrorKind | None = None) -> Sentence | None:
    """What keeps the whole table from being as its source, if anything does."""
    if not facts.was_synced:
        return Sentence.NEVER_SYNCED
    if facts.intent is not None:
        return Sentence.MERGE_UNSETTLED
    if facts.table_error is not None and facts.table_error["kind"] != but:
        return Sentence.TABLE_FAILING
    if facts.target is TargetWord.NO_TABLE:
        return Sentence.TARGET_GONE
    return None if facts.is_reconciled else Sentence.RECONCILE_PENDING


def _words(facts: RowFacts) -> dict[str, str]:
    """What the texts have places for. No cell value is among them."""
    column, reason = facts.rejected or ("", Reason.NULL_KEY)
    why, fix = EXPLANATIONS[reason]
    job, end = facts.intent or ("", "")
    error = facts.table_error or facts.bigquery_error or {"code": "", "what": "", "fix": ""}
    failure = facts.bigquery_error or error
    return {
        "table": facts.table, "rows": str(facts.source_rows), "column": column, "reason": reason.value, "why": why,
        "fix": fix, "job": job, "end": end, "code": error["code"], "what": error["what"], "remedy": error["fix"],
        "columns": ", ".join(facts.differing) or "none", "due": facts.sweep_due, "ledger": LEDGER_TEXTS[facts.ledger],
        "unreachable": failure["code"],
    }
