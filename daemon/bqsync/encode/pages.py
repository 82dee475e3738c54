"""Pages become bytes column by column: the same rows, and the same bytes, as row by row, in a quarter of the time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import tzinfo

import xxhash

from bqsync.encode.columns import ColumnEncoder, WireColumn
from bqsync.encode.keys import encode_key
from bqsync.encode.partitions import partition_column
from bqsync.encode.rejection import Rejected
from bqsync.encode.wire_form import Pieces, joined_rows
from bqsync.model import EncodedRow, Reason, SqlValue, TableSpec, WireValue

_INT64_OFFSET = 1 << 63


class PageEncoder:
    """
    Encodes pages of one table in which every row can be delivered.

    Args:
        spec: the mapping; its columns name the cells of a row, in order.
        zone: meaning of ISO timestamps without an offset.
        max_row_bytes: a larger row, its key included, can't be delivered.
        partition_of: the partition of a row, by the wire value of its column; None where rows do not tell.
    """

    def __init__(
        self, spec: TableSpec, zone: tzinfo, *, max_row_bytes: int, partition_of: Callable[[WireValue], int] | None
    ) -> None:
        names = [column.source_name for column in spec.columns]
        self._max_row_bytes = max_row_bytes
        self._encoders = [ColumnEncoder(column, zone, is_key=column.source_name in spec.key) for column in spec.columns]
        # As the protobuf library does, fields are written in the order of their numbers.
        self._order = sorted(range(len(names)), key=lambda at: spec.columns[at].field_number)
        self._key_positions = [names.index(name) for name in spec.key]
        column = partition_column(spec)
        self._partition_position = None if column is None else spec.columns.index(column)
        self._partition_of = partition_of

    def encode(self, rows: Sequence[Sequence[SqlValue]], keys: Sequence[bytes | None]) -> list[EncodedRow]:
        """
        Encode a page.

        Args:
            rows: at least one.
            keys: their target keys, as `target_key_reader` gives them.

        Raises:
            Rejected, ValueError: one of the rows can't be delivered.
        """
        known_keys = [key for key in keys if key is not None]
        if len(known_keys) < len(keys):
            raise Rejected(Reason.NULL_KEY)
        wires = [encoder.wire(values) for encoder, values in zip(self._encoders, zip(*rows, strict=True), strict=True)]
        pieces: list[Pieces] = [piece for at in self._order for piece in self._encoders[at].pieces(wires[at])]
        data = list(joined_rows(pieces))
        if max(map(len, data)) + max(map(len, known_keys)) > self._max_row_bytes:
            raise Rejected(Reason.ROW_TOO_LARGE)
        fingerprints = [digest - _INT64_OFFSET for digest in map(xxhash.xxh3_64_intdigest, data)]
        return list(map(EncodedRow._make, zip(
            known_keys, data, fingerprints, self._source_keys(rows, wires), self._partitions(rows, wires),
            strict=True)))

    def _source_keys(self, rows: Sequence[Sequence[SqlValue]], wires: Sequence[WireColumn]) -> Sequence[bytes | None]:
        """Encoded source keys, where the target keys do not lead back to them."""
        if all(wires[at].is_plain for at in self._key_positions):
            return [None] * len(rows)
        parts = [(at, self._encoders[at].plain) for at in self._key_positions]
        return [None if all(type(row[at]) is plain for at, plain in parts) else encode_key([row[at] for at, _ in parts])
                for row in rows]

    def _partitions(self, rows: Sequence[Sequence[SqlValue]], wires: Sequence[WireColumn]) -> Sequence[int | None]:
        if self._partition_of is None or self._partition_position is None:
            return [None] * len(rows)
        return list(map(self._partition_of, wires[self._partition_position].values))
