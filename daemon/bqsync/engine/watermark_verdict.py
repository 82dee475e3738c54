"""Whether a column can be a watermark: judged by all its values."""

from __future__ import annotations

from datetime import tzinfo

from bqsync.capture.order import is_counted
from bqsync.capture.probe import probe_instants
from bqsync.capture.probe_sql import text_forms_query
from bqsync.capture.source import Source
from bqsync.encode.instants import form_of, sorts_as_instants
from bqsync.model import TableMode, TableSpec, TimestampFormat
from bqsync.state.watermarks import WatermarkColumn


def judge_column(source: Source, spec: TableSpec, name: str, zone: tzinfo) -> WatermarkColumn | None:
    """
    What a column is, or why it can't be a watermark; None while it has no values to tell by.

    Args:
        source: the file.
        spec: the mapping of the table; a TIMESTAMP of a known unit needs no look at its numbers.
        name: of the column in the source.
        zone: meaning of ISO texts without an offset.

    Raises:
        BqsyncError: one of the SOURCE_… kinds.
    """
    if spec.mode is TableMode.APPEND and source.read(lambda connection: is_counted(connection, spec.source_name, name)):
        return WatermarkColumn(column=name, timestamp_format=None, is_counted=True, form=None, unfit=None, reached=None)
    fmt = next(column.timestamp_format for column in spec.columns if column.source_name == name)
    if fmt is None:
        result = probe_instants(source, spec.source_name, name)
        if not result.rows:
            return None
        fmt = result.timestamp_format
        if fmt is None:
            return _unfit(name, f"its values are not instants of one unit ({result.found})")
    if fmt is TimestampFormat.ISO8601:
        return _judge_texts(source, spec.source_name, name, zone)
    return WatermarkColumn(column=name, timestamp_format=fmt, form=None, unfit=None, reached=None)


def _judge_texts(source: Source, table: str, name: str, zone: tzinfo) -> WatermarkColumn | None:
    query = text_forms_query(table, name)
    samples = source.read(lambda connection: connection.exec_driver_sql(query.sql).fetchall())
    if not samples:
        return None
    return judge_forms(name, form_of(samples[0][0]), len(samples), zone)


def judge_forms(name: str, form: str | None, forms: int, zone: tzinfo) -> WatermarkColumn:
    """
    What a column of texts is, or why it can't be a watermark.

    Args:
        name: of the column in the source.
        form: of one of its texts, from `form_of`.
        forms: how many forms its texts have.
        zone: meaning of texts without an offset.
    """
    if forms > 1:
        return _unfit(name, f"its texts have {forms} forms, which do not sort as their instants do")
    if form is None:
        return _unfit(name, "its texts are no dates and times of ISO 8601 to the second")
    if not sorts_as_instants(form, zone):
        return _unfit(name, "its texts name no offset, and source.time_zone has summer time: one hour comes twice")
    return WatermarkColumn(column=name, timestamp_format=TimestampFormat.ISO8601, form=form, unfit=None, reached=None)


def _unfit(column: str, why: str) -> WatermarkColumn:
    return WatermarkColumn(column=column, timestamp_format=None, form=None, unfit=why, reached=None)
