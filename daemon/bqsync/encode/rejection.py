"""Why a value can't be delivered: raised by the conversions, caught by the row encoder, explained to operators."""

from collections.abc import Mapping
from types import MappingProxyType

from bqsync.model import Reason


class Rejected(Exception):  # noqa: N818 - it is a verdict on a value, not an error of the program
    """A value that BigQuery would change, or that does not fit its column. Its row goes to quarantine."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason.value)
        self.reason = reason


_MEND_ROW = "mend the row in the source: the next sync delivers it"

EXPLANATIONS: Mapping[Reason, tuple[str, str]] = MappingProxyType({
    Reason.NULL_KEY: (
        "a key column is NULL: no comparison in BigQuery would ever find the row again",
        "give the row a key, or name other columns in `key`",
    ),
    Reason.KEY_COLLISION: (
        "another row of the table has the same key in BigQuery's eyes, such as 1 and '1' in a STRING column",
        "change one of the two keys, or choose a type for the column that tells them apart",
    ),
    Reason.WRONG_TYPE: (
        "the value is of another type than its column in BigQuery, such as a text in a number column",
        _MEND_ROW + "; for a column that is meant to hold numbers and texts, set `types` to STRING and sync to a new "
        "`target`",
    ),
    Reason.OUT_OF_RANGE: (
        "the value is outside of what its type in BigQuery can hold",
        _MEND_ROW + "; or choose a wider type in `types`",
    ),
    Reason.WOULD_CHANGE: (
        "BigQuery would store another value, such as 2 for 2.5 in an INT64 column",
        _MEND_ROW + "; or choose FLOAT64, BIGNUMERIC or STRING in `types`",
    ),
    Reason.INVALID_TEXT: (
        "the text is not valid UTF-8, or it holds a NUL within a key",
        _MEND_ROW + "; or store it as a BLOB and set `types` to BYTES",
    ),
    Reason.NOT_FINITE: (
        "the value is infinite, and only FLOAT64 holds infinity",
        _MEND_ROW + "; or choose FLOAT64 in `types`",
    ),
    Reason.NULL_REQUIRED: (
        "the value is NULL, and the column in BigQuery is REQUIRED",
        "give the row a value, or ALTER TABLE … ALTER COLUMN … DROP NOT NULL in BigQuery",
    ),
    Reason.ROW_TOO_LARGE: (
        "the row is larger than one request to BigQuery may be",
        "keep the large value elsewhere, or leave its column out with the proto option (gen_bq_schema.bigquery).ignore",
    ),
    Reason.REFUSED_BY_BIGQUERY: (
        "BigQuery itself refused the row",
        "compare the types of source and target with `bqsync check`; `bqsync quarantine --retry` tries again",
    ),
})
"""Why and fix for every reason. No value is ever quoted."""
