"""The permissions that docs/security.md lists are those of the calls that the code makes."""

from __future__ import annotations

import re

from tests.workbench import ROOT

PAGE = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
PERMISSIONS = {
    "get_dataset": {"bigquery.datasets.get"},
    "create_table": {"bigquery.tables.create"},
    "get_table": {"bigquery.tables.get"},
    "update_table": {"bigquery.tables.update"},
    "delete_table": {"bigquery.tables.delete"},
    "list_tables": {"bigquery.tables.list"},
    "list_jobs": {"bigquery.jobs.list"},
    "query": {"bigquery.jobs.create", "bigquery.tables.getData", "bigquery.tables.updateData"},
    "get_job": set(),  # who creates a job may look at it
    "create_dataset": set(),  # of the embedded BigQuery alone
    "close": set(),
}
"""Of each method of the client, what an account needs to call it as bqsync does."""
NEEDED = set().union(*PERMISSIONS.values())


def test_no_call_is_made_that_no_permission_is_listed_for() -> None:
    called = {name for path in (ROOT / "daemon" / "bqsync").rglob("*.py")
              for name in re.findall(r"\.rest\.(\w+)\(", path.read_text(encoding="utf-8"))}
    assert called == set(PERMISSIONS)


def test_the_table_and_the_roles_hold_these_permissions_and_no_other() -> None:
    section = PAGE[PAGE.index("## 4. "):PAGE.index("## 5. ")]
    rows = {name for line in section.splitlines() if line.startswith("| `")
            for name in re.findall(r"`(bigquery\.\w+\.\w+)`", line.split(" | ")[0])}
    roles = {name for names in re.findall(r"--permissions=(\S+)", section) for name in names.split(",")}
    assert rows == NEEDED
    assert roles == NEEDED


def test_an_account_with_a_staging_dataset_of_its_own_drops_no_target() -> None:
    (target,) = re.findall(r"create bqsyncTarget .*?--permissions=(\S+)", PAGE, re.DOTALL)
    assert "delete" not in target
