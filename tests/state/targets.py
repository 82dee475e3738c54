"""A target, told from others by its creation time."""

from __future__ import annotations

from bqsync.state.tables import TrustedTarget


def target_of(created_us: int) -> TrustedTarget:
    return TrustedTarget(name="p.d.t", created_us=created_us, key_columns="id INT64")
