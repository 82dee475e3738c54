"""What must hold, whatever happened."""

from __future__ import annotations

from collections.abc import Callable

from bqsync.encode.keys import decode_key
from bqsync.engine.schedule import SweepMode
from bqsync.model import CycleOutcome
from tests.model.world import Key, World

_MAX_CYCLES = 12
Meanwhile = tuple[str, Callable[[], None]]


def cycle(world: World, mode: SweepMode, *, confirm: int = 0, meanwhile: Meanwhile | None = None) -> CycleOutcome:
    """A cycle in which nothing goes wrong, beside the application that may write."""
    began = len(world.hostile.appended)
    outcome = _watched(world, mode, confirm=confirm, meanwhile=meanwhile)
    assert outcome is not None
    held = outcome.error is not None and outcome.error["kind"] == "deletes_held_back"
    assert outcome.error is None or held, outcome.error
    may_repeat = world.disturbed or world.kind.key_text
    for key, operation, data in world.staged_since(began):
        if operation == "D":
            world.delivered.pop(key, None)
            continue
        assert may_repeat or world.delivered.get(key) != data, f"{decode_key(key)} was sent twice, unchanged"
        world.delivered[key] = data
    if outcome.error is None and not outcome.skipped and not meanwhile:
        _assert_fresh_rows_arrived(world)
    if outcome.swept and outcome.error is None:
        world.disturbed = False
        world.fresh = set()
    return outcome


def disturbed_cycle(world: World, mode: SweepMode, *, kill_at: tuple[str, int] | None = None) -> None:
    """A cycle in which anything may go wrong: it may fail, never harm."""
    world.disturb()
    outcome = _watched(world, mode, kill_at=kill_at)
    if outcome is not None and outcome.error is not None:
        assert outcome.error["kind"] != "internal", outcome.error
    for key, _, data in world.staged_since(0):
        world.delivered[key] = data


def converges(world: World) -> None:
    """Once the source is quiet and BigQuery answers, the target is what the source asks for, and all is quiet."""
    world.hostile.release()
    for _ in range(_MAX_CYCLES):
        outcome = cycle(world, SweepMode.ALWAYS)
        if outcome.error is not None:
            outcome = cycle(world, SweepMode.ALWAYS, confirm=outcome.deletes_deferred)
        if outcome.error is None:
            break
    assert outcome.error is None, outcome.error
    _assert_equal(world)
    again = cycle(world, SweepMode.ALWAYS)
    assert (again.error, again.merges) == (None, 0), "a cycle at rest had something to send"
    _assert_equal(world)


def _watched(
    world: World, mode: SweepMode, *, confirm: int = 0, kill_at: tuple[str, int] | None = None,
    meanwhile: Meanwhile | None = None,
) -> CycleOutcome | None:
    """Run a cycle, and see that no row which was there throughout has left the target or was asked to."""
    began = len(world.hostile.appended)
    in_source, in_target = _source_keys(world), set(world.target())
    touched: set[Key] = set()

    def write_and_note() -> None:
        assert meanwhile is not None
        before = _source_keys(world)
        meanwhile[1]()
        touched.update(before ^ _source_keys(world))

    outcome = world.cycle(mode, confirm=confirm, kill_at=kill_at,
                          meanwhile=None if meanwhile is None else (meanwhile[0], write_and_note))
    throughout = (in_source & _source_keys(world)) - touched
    for key, operation, _ in world.staged_since(began):
        assert operation != "D" or decode_key(key) not in throughout, "a row that is there was to be deleted"
    lost = (throughout & in_target) - set(world.target())
    assert not lost, f"rows that stayed in the source have left the target: {lost}"
    return outcome


def _source_keys(world: World) -> set[Key]:
    return set(world.expected())


def _assert_fresh_rows_arrived(world: World) -> None:
    """What was written with the time of its writing arrives with the next pass, without any sweep."""
    if not world.fresh or world.kind.key_text:
        return
    wanted, found = world.expected(), world.target()
    for key in world.fresh & set(wanted):
        for row in wanted[key].good:
            arrived = found.get(key)
            assert arrived is not None, f"a pass has missed {key}"
            assert arrived[0] == _padded(row, arrived[0]), f"a pass has missed the change of {key}"
    world.fresh.clear()


def _assert_equal(world: World) -> None:
    wanted, found = world.expected(), world.target()
    for key, rows in found.items():
        assert len(rows) == 1, f"{key} stands {len(rows)} times in the target"
        assert key in wanted, f"{key} is gone from the source and stands in the target"
    for key, expectation in wanted.items():
        if expectation.bad:
            continue
        assert key in found, f"{key} is missing in the target"
        candidates = [_padded(row, found[key][0]) for row in expectation.good]
        assert found[key][0] in candidates, f"{key} differs: {found[key][0]} is none of {candidates}"


def _padded(row: dict[str, object], like: dict[str, object]) -> dict[str, object]:
    """With NULL for the columns that only the target has: those of a source that was restored to fewer columns."""
    return {name: row.get(name) for name in like} | row

