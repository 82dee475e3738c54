"""Every word and sentence of `bqsync explain`. A sentence says why a row is where it is, and what to do."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType


class LedgerWord(StrEnum):
    """What the ledger says of a row. Stable, as all words here: `bqsync explain --json` prints them."""

    NONE = "none"
    UNREAD = "unread"
    """After a reconciliation, or a MERGE whose end was not noted."""
    SAME = "same"
    EARLIER = "earlier"
    GONE = "gone"
    ANOTHER = "another"
    """Two keys of the source are one in BigQuery, such as 1 and '1' in a STRING column."""


LEDGER_TEXTS: Mapping[LedgerWord, str] = MappingProxyType({
    LedgerWord.NONE: "nothing was delivered under this key",
    LedgerWord.UNREAD: "a row of this key is in BigQuery, and its contents are not known",
    LedgerWord.SAME: "delivered as it stands",
    LedgerWord.EARLIER: "an earlier version was delivered",
    LedgerWord.GONE: "delivered before it left the source",
    LedgerWord.ANOTHER: "another row of the source was delivered under this key",
})


class TargetWord(StrEnum):
    """What BigQuery says of a row."""

    UNASKED = "unasked"
    NO_TABLE = "no_table"
    ABSENT = "absent"
    SAME = "same"
    DIFFERENT = "different"
    PRESENT = "present"
    """There is nothing in the source to compare it with, or nothing that could be delivered."""
    MARKED = "marked"
    TWICE = "twice"


TARGET_TEXTS: Mapping[TargetWord, str] = MappingProxyType({
    TargetWord.UNASKED: "could not be asked",
    TargetWord.NO_TABLE: "the table does not exist",
    TargetWord.ABSENT: "absent",
    TargetWord.SAME: "as in the source",
    TargetWord.DIFFERENT: "differs from the source",
    TargetWord.PRESENT: "present",
    TargetWord.MARKED: "marked as deleted",
    TargetWord.TWICE: "there more than once",
})


class Way(StrEnum):
    """What comes upon a row in the source, or upon its absence."""

    WATERMARK = "watermark"
    """The next watermark pass."""
    SWEEP = "sweep"
    """The next sweep alone."""
    CYCLE = "cycle"
    """The next cycle, which compares the whole table."""
    NOTHING = "nothing"
    """Sweeps are off, and no watermark reaches it."""


class Sentence(StrEnum):
    """Why a row is, or is not, in BigQuery. Stable: `bqsync explain --json` prints them."""

    NOT_CONFIGURED = "not_configured"
    TABLE_REFUSED = "table_refused"
    NEVER_SYNCED = "never_synced"
    BIGQUERY_UNREACHABLE = "bigquery_unreachable"
    NULL_KEY = "null_key"
    KEY_TWICE = "key_twice"
    TWICE_IN_BIGQUERY = "twice_in_bigquery"
    REFUSED_ABSENT = "refused_absent"
    REFUSED_STALE = "refused_stale"
    REFUSED_NEXT = "refused_next"
    IN_BIGQUERY = "in_bigquery"
    MERGE_UNSETTLED = "merge_unsettled"
    TABLE_FAILING = "table_failing"
    TARGET_GONE = "target_gone"
    RECONCILE_PENDING = "reconcile_pending"
    LOST_IN_BIGQUERY = "lost_in_bigquery"
    ALTERED_IN_BIGQUERY = "altered_in_bigquery"
    WAITS_FOR_WATERMARK = "waits_for_watermark"
    WAITS_FOR_SWEEP = "waits_for_sweep"
    WAITS_FOR_CYCLE = "waits_for_cycle"
    OUT_OF_REACH = "out_of_reach"
    NOWHERE = "nowhere"
    MARKED = "marked"
    KEPT = "kept"
    FOREIGN_ROW = "foreign_row"
    DELETE_HELD_BACK = "delete_held_back"
    DELETE_WAITS = "delete_waits"


TEXTS: Mapping[Sentence, str] = MappingProxyType({
    Sentence.NOT_CONFIGURED: (
        "Table {table} is in the database and not in the configuration, so none of its rows is sent: add a [[tables]] "
        "entry for it."
    ),
    Sentence.TABLE_REFUSED: (
        "Table {table} can't be synced as it is, so none of its rows is sent: {what} ({code}); to do: {remedy}."
    ),
    Sentence.NEVER_SYNCED: (
        "Table {table} was never synced with this state, so nothing was sent there: bqsync sync {table}, or start the "
        "daemon."
    ),
    Sentence.BIGQUERY_UNREACHABLE: (
        "BigQuery did not answer ({unreachable}), so whether the row is there can't be told; the ledger's word is: "
        "{ledger}."
    ),
    Sentence.NULL_KEY: (
        "A row with NULL in its key is never sent, since no comparison in BigQuery would find it again: give it a key, "
        "or name other columns in `key`."
    ),
    Sentence.KEY_TWICE: (
        "{rows} rows of the source have this key and BigQuery holds one of them, while the others wait in quarantine: "
        "name columns in `key` that tell them apart."
    ),
    Sentence.TWICE_IN_BIGQUERY: (
        "BigQuery holds more than one row of this key, and bqsync writes one: somebody else has written there; delete "
        "all but one of them, then run bqsync sync --full {table}."
    ),
    Sentence.REFUSED_ABSENT: (
        "The row waits in quarantine and is not in BigQuery, because of column {column} ({reason}): {why}; to do: "
        "{fix}."
    ),
    Sentence.REFUSED_STALE: (
        "The row as it stands waits in quarantine and BigQuery holds an earlier version, because of column {column} "
        "({reason}): {why}; to do: {fix}."
    ),
    Sentence.REFUSED_NEXT: (
        "The row as it stands can't be sent, and the cycle that reads it will put it in quarantine, because of column "
        "{column} ({reason}): {why}; to do: {fix}."
    ),
    Sentence.IN_BIGQUERY: (
        "The row is in BigQuery as it is in the source: there is nothing to do."
    ),
    Sentence.MERGE_UNSETTLED: (
        "A MERGE into the table was begun and its end is not noted yet (job {job}, {end}); the next cycle sees to it "
        "before anything else: wait for the daemon, or run bqsync sync {table}."
    ),
    Sentence.TABLE_FAILING: (
        "The row waits because the cycles of table {table} fail: {what} ({code}); to do: {remedy}."
    ),
    Sentence.TARGET_GONE: (
        "The target table does not exist any more; the next cycle creates it and sends every row: wait for the daemon, "
        "or run bqsync sync {table}."
    ),
    Sentence.RECONCILE_PENDING: (
        "The ledger does not speak of the target as it stands; the next cycle reads the target's keys and sends every "
        "row: wait for the daemon, or run bqsync sync {table}."
    ),
    Sentence.LOST_IN_BIGQUERY: (
        "The row was delivered as it stands and is not in BigQuery any more, so somebody else has removed it there, "
        "which no cycle sees: bqsync verify --repair {table}."
    ),
    Sentence.ALTERED_IN_BIGQUERY: (
        "The row was delivered as it stands and is another one in BigQuery (columns that differ: {columns}), so "
        "somebody else has changed it there, which no cycle sees: bqsync verify --repair {table}."
    ),
    Sentence.WAITS_FOR_WATERMARK: (
        "This version of the row was not sent yet, and the next watermark pass finds it: wait for the daemon, or run "
        "bqsync sync {table}."
    ),
    Sentence.WAITS_FOR_SWEEP: (
        "This version of the row was not sent yet, and no watermark tells of it, so only the next sweep finds it (due: "
        "{due}): wait for the daemon, or run bqsync sync {table}."
    ),
    Sentence.WAITS_FOR_CYCLE: (
        "This version of the row was not sent yet, and the table has no watermark, so the next cycle compares all of "
        "it (due: {due}): wait for the daemon, or run bqsync sync {table}."
    ),
    Sentence.OUT_OF_REACH: (
        "This version of the row was not sent, and with sweep = off nothing finds it, since its watermark lies "
        "before the overlap: have the application move the watermark, or run bqsync sync --full {table}."
    ),
    Sentence.NOWHERE: (
        "The row is neither in the source nor in BigQuery: if it should be, look at the spelling of the key, which is "
        "that of the source."
    ),
    Sentence.MARKED: (
        "The row has left the source, and stands in BigQuery with the mark of when (deletes = mark): there is "
        "nothing to do."
    ),
    Sentence.KEPT: (
        "The row has left the source, and rows of this table stay in BigQuery when they do: there is nothing to do."
    ),
    Sentence.FOREIGN_ROW: (
        "The row is in BigQuery and not in the source, and bqsync has not delivered it, so somebody else has written "
        "it there, which no cycle sees: bqsync verify --repair {table} removes it."
    ),
    Sentence.DELETE_HELD_BACK: (
        "The row has left the source, and the guard holds its delete back: {what} ({code}); to do: {remedy}."
    ),
    Sentence.DELETE_WAITS: (
        "The row has left the source, and the next sweep takes that to BigQuery (due: {due}): wait for the daemon, or "
        "run bqsync sync {table}."
    ),
})
"""With places for `explanation.conclude` to fill."""
