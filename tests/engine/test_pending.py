"""What a chunk holds is found by its key, whether it is packed or not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.properties import MODEST

from bqsync.engine.pending import Pending, StagedKeys
from bqsync.model import Delivery, run_of
from bqsync.state.chunk_commit import ChunkCommit

KEYS = 120
number = st.integers(0, KEYS)
portion = st.tuples(st.lists(number, min_size=1, max_size=20, unique=True).map(sorted),
                    st.sampled_from(["new", "changed", "plain"]))


def delivery(key: int, fingerprint: int) -> Delivery:
    return Delivery(bytes([1, key]), fingerprint, None, None)


@MODEST
@given(st.lists(portion, max_size=12), st.lists(number))
def test_what_is_staged_is_found_as_it_was_staged_last(portions: list[tuple[list[int], str]], asked: list[int]) -> None:
    commit = ChunkCommit()
    pending, model = Pending(commit), dict[bytes, int]()
    for fingerprint, (keys, kind) in enumerate(portions):
        rows = [delivery(key, fingerprint) for key in keys]
        are_new = not any(row.key in model for row in rows)
        assert pending.has_none_of([*(row.key for row in rows), None]) == are_new
        run = run_of(rows)
        assert run is not None
        if not pending.touches(run):
            assert are_new, "what touches nothing is new"
        if kind == "plain" and are_new:
            pending.add_plain([row.key for row in rows], [row.fingerprint for row in rows])
        elif kind == "new" and are_new:
            pending.add_run(run)
        else:
            pending.add(rows, are_new=are_new)
        model |= {row.key: row.fingerprint for row in rows}
        assert all(one.last < other.first for one, other in zip(commit.runs, commit.runs[1:], strict=False))
    assert commit.upserts == len(model)
    assert bool(pending) == bool(model)
    for key in (bytes([1, one]) for one in asked):
        found = pending.get(key)
        assert (None if found is None else found.fingerprint) == model.get(key)
        assert (key in pending) == (key in model)


def test_the_place_of_a_staged_row_leads_to_its_key() -> None:
    staged = StagedKeys()
    run = run_of([delivery(key, 0) for key in (3, 4, 5)])
    assert run is not None
    for keys in ([b"a", b"b"], run, [], [b"c"]):
        staged.add(keys)
    assert [staged[place] for place in range(len(staged))] == [b"a", b"b", b"\1\3", b"\1\4", b"\1\5", b"c"]
    with pytest.raises(IndexError):
        staged[6]
