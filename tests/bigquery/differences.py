"""Where the emulator is known to differ: by check, what it does instead, and what holds the real thing."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

_JOBS = "; the job book of tests/hostile/ plays BigQuery's side (docs/testing.md, The proxy)"
_ROWS = "; tests/fakes/ and tests/hostile/ name such rows (docs/testing.md, Fakes)"
_MISSING = "; what is done about it is tested with made answers (tests/deliver/test_translate.py)"
_FAILURE = "test_a_failure_is_taken_for_what_it_is"
_REFUSED = "test_what_a_type_does_not_hold_is_refused_as_a_row"

DIFFERENCES: Mapping[str, str] = MappingProxyType({
    "test_an_id_that_was_used_is_refused_and_its_job_can_be_looked_up": f"the job runs again{_JOBS}",
    "test_a_select_under_an_id_burns_it": f"any later job under it runs{_JOBS}",
    "test_the_id_of_a_job_that_failed_is_burnt_as_well": f"any later job under it runs{_JOBS}",
    "test_a_job_that_runs_can_be_cancelled": "a submission is answered when the job has ended; nothing cancels a job",
    "test_jobs_are_listed_newest_first_and_from_a_time_on":
        "all jobs are listed, whatever the time; deliver.history compares each time itself",
    "test_a_dry_run_tells_bytes_and_changes_nothing": "it tells 0 bytes",
    "test_a_statement_is_billed_with_ten_megabytes_at_least": "no bytes are billed; bqsync logs 0 then",
    "test_the_results_of_a_merge_tell_how_many_rows_it_has_changed":
        "they do not, and the job is looked up; the proxy of tests/hostile/ adds the number",
    "test_two_rows_of_a_source_for_one_of_the_target_are_refused":
        "one of them wins; that each MERGE picks one is held by tests/deliver/test_merge_sql.py and the analyzer",
    "test_a_refused_row_is_named_and_no_row_of_its_request_is_appended": f"the call ends as UNKNOWN{_ROWS}",
    f"{_REFUSED}[TIMESTAMP]": f"it is stored, and breaks the queries that read it{_ROWS}",
    f"{_REFUSED}[DATE]": f"it is stored, and breaks the queries that read it{_ROWS}",
    f"{_REFUSED}[JSON]": f"the call ends as UNKNOWN{_ROWS}",
    "test_a_table_that_asks_for_a_filter_takes_no_statement_without_one":
        "it takes any; that each statement has one is held by tests/engine/test_partitioned_targets.py",
    "test_the_time_at_which_a_table_expires_is_kept":
        "it is forgotten; what expires is also dropped by the next start (docs/architecture.md, What lies where)",
    "test_values_arrive_exactly[BIGNUMERIC]": "there is no such type; tests/encode/test_values.py has its bounds",
    f"{_FAILURE}[reading a table in a dataset that is not there]": f"the table alone is missed{_MISSING}",
    f"{_FAILURE}[listing the tables of a dataset that is not there]": "there are none, and no failure",
    f"{_FAILURE}[making a table in a dataset that is not there]": f"an answer of 500{_MISSING}",
})
"""By the name of a check, with its parameter."""
