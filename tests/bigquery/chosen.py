"""Which tests of whole cycles run against the real BigQuery as well: those about delivery, a few of each kind."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

MARKER = "service"

FIDELITY = (
    "tests/fidelity/test_nine_tables.py::test_every_cell_arrives_and_afterwards_only_changes_are_sent",
    "tests/fidelity/test_edge_values.py::test_odd_values_arrive_as_they_are",
    "tests/fidelity/test_overrides.py::test_values_of_an_override_arrive_exact",
    "tests/fidelity/test_schemas_of_sqlite.py::test_every_declared_type_has_a_column_that_keeps_its_values",
    "tests/fidelity/test_schemas_of_sqlite.py::test_strict_tables_keep_their_values",
    "tests/fidelity/test_schemas_of_sqlite.py::test_names_that_bigquery_refuses_are_spelled_with_underscores",
    "tests/fidelity/test_defects.py::test_a_row_larger_than_a_batch_travels_alone[9700000]",
)
CHANGES = (
    "tests/fidelity/test_defects.py::test_deletes_and_their_cascades_are_followed",
    "tests/engine/test_deletes.py::test_a_changed_key_is_a_delete_and_an_insert",
    "tests/engine/test_deletes.py::test_a_row_deleted_and_inserted_between_two_cycles_is_an_update",
    "tests/engine/test_deletes.py::test_a_large_part_of_a_large_table_waits_for_a_confirmation",
    "tests/engine/test_marks.py::test_a_row_that_left_is_marked_once_and_the_mark_is_kept",
    "tests/engine/test_marks.py::test_a_row_that_is_back_loses_its_mark[v3]",
    "tests/engine/test_watermark_pass.py::test_only_the_window_is_read_and_only_what_is_new_is_sent",
)
REPAIRS = (
    "tests/engine/test_reconcile.py::test_a_lost_state_is_rebuilt_from_the_target_and_nothing_is_left_over",
    "tests/engine/test_reconcile.py::test_a_dropped_target_is_made_again_and_filled",
    "tests/engine/test_reconcile.py::test_a_target_that_was_replaced_by_another_is_reconciled",
    "tests/engine/test_reconcile.py::test_full_sends_every_row_and_repairs_what_was_edited_by_hand",
    "tests/engine/test_reconcile.py::test_a_state_that_is_put_back_to_an_earlier_copy_is_found_out",
    "tests/engine/test_reconcile.py::test_an_intent_that_was_left_is_settled_before_anything_else",
)
QUARANTINE = (
    "tests/engine/test_quarantine_cycle.py::test_a_mended_row_is_delivered_and_leaves_the_quarantine",
    "tests/engine/test_quarantine_cycle.py::test_the_earlier_version_of_a_row_in_quarantine_stays_in_the_target[False]",
)
TARGETS = (
    "tests/engine/test_target.py::test_an_adopted_target_becomes_a_copy_and_stays_ours",
    "tests/engine/test_target.py::test_a_target_of_somebody_else_is_refused_and_left_alone",
    "tests/engine/test_target.py::test_a_new_column_is_added_as_nullable_and_filled_for_all_rows",
    "tests/engine/test_target.py::test_a_null_for_a_required_column_waits_in_quarantine",
)
CRASHES = (
    "tests/end_to_end/test_failpoints.py::test_killed_in_a_first_copy[chunk.appended]",
    "tests/end_to_end/test_failpoints.py::test_killed_in_a_later_cycle[merge.submitted]",
    "tests/end_to_end/test_failpoints.py::test_killed_in_a_later_cycle[merge.ended]",
    "tests/end_to_end/test_failpoints.py::test_killed_in_a_later_cycle[commit.done]",
    "tests/end_to_end/test_failpoints.py::test_killed_while_a_lost_state_is_made_anew[reconcile.done]",
)
CHOSEN = (*FIDELITY, *CHANGES, *REPAIRS, *QUARANTINE, *TARGETS, *CRASHES)
"""Node ids; without a parameter, a test with all its parameters."""


def mark(items: Iterable[pytest.Item]) -> None:
    """Give the chosen tests their marker. The checks of the contract carry it themselves."""
    wanted = set(CHOSEN)
    for item in items:
        if {item.nodeid, item.nodeid.partition("[")[0]} & wanted:
            item.add_marker(MARKER)
