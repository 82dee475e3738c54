"""Every failure has one rule and one stable code, and says what, why and how to fix it."""

from __future__ import annotations

import json
import re

import pytest

from bqsync.errors import (
    RULES,
    BqsyncError,
    ConfigurationError,
    ErrorKind,
    ExitCode,
    Pause,
    Problem,
    Retry,
    Scope,
    internal_error,
)

FULL = {"what": "the file is gone", "why": "somebody moved it", "fix": "bring it back"}


def test_every_kind_has_a_rule() -> None:
    assert set(RULES) == set(ErrorKind)


@pytest.mark.parametrize("kind", list(ErrorKind))
def test_every_rule_is_whole_and_of_one_piece(kind: ErrorKind) -> None:
    rule = RULES[kind]
    assert rule.fix.endswith("."), "a sentence for an operator"
    assert rule.pause in {
        Scope.PROCESS: {Pause.OUTAGE}, Scope.SOURCE: {Pause.SHORT}, Scope.BATCH: {Pause.SHORT},
        Scope.ROW: {Pause.TABLE}, Scope.TABLE: {Pause.TABLE, Pause.QUOTA, Pause.HELD},
    }[rule.scope]
    assert rule.concerns_all == (rule.scope in {Scope.PROCESS, Scope.SOURCE})
    assert rule.asks_for_fewer_calls == (rule.code in {"E303", "E304"})


def test_an_error_without_a_better_word_says_what_its_rule_says() -> None:
    error = BqsyncError(ErrorKind.BIGQUERY_PERMISSION, what="a", why="b")
    assert error.fix == RULES[ErrorKind.BIGQUERY_PERMISSION].fix
    assert "roles/bigquery.dataEditor" in error.fix


def test_codes_are_unique_and_of_one_form() -> None:
    codes = [rule.code for rule in RULES.values()]
    assert len(set(codes)) == len(codes)
    assert all(re.fullmatch(r"E[1-9]\d\d", code) for code in codes)


def test_no_failure_exits_as_a_success_or_as_a_misspelt_command() -> None:
    assert not {rule.exit_code for rule in RULES.values()} & {ExitCode.OK, ExitCode.USAGE}


@pytest.mark.parametrize(("kind", "code", "exit_code"), [
    (ErrorKind.CONFIG_INVALID, "E101", 78), (ErrorKind.SOURCE_MISSING, "E201", 74),
    (ErrorKind.SOURCE_UNREADABLE, "E202", 77), (ErrorKind.BIGQUERY_UNREACHABLE, "E301", 69),
    (ErrorKind.BIGQUERY_CREDENTIALS, "E307", 77), (ErrorKind.STATE_LOCKED, "E401", 75),
    (ErrorKind.DELETES_HELD_BACK, "E501", 1), (ErrorKind.INTERNAL, "E901", 1),
])
def test_codes_and_exit_codes_are_what_scripts_rely_on(kind: ErrorKind, code: str, exit_code: int) -> None:
    assert (RULES[kind].code, RULES[kind].exit_code) == (code, exit_code)


def test_only_calls_to_bigquery_are_tried_again_by_rule() -> None:
    retried = {kind for kind, rule in RULES.items() if rule.retry is not Retry.NEVER}
    assert all(kind.value.startswith("bigquery_") for kind in retried)
    assert not retried & {ErrorKind.BIGQUERY_PERMISSION, ErrorKind.BIGQUERY_CREDENTIALS,
                          ErrorKind.BIGQUERY_ROWS_REFUSED, ErrorKind.BIGQUERY_JOB_FAILED}


@pytest.mark.parametrize("kind", [
    ErrorKind.SOURCE_TABLE_INVALID, ErrorKind.TIMESTAMP_UNIT_UNCLEAR, ErrorKind.TARGET_INCOMPATIBLE,
    ErrorKind.TARGET_FOREIGN, ErrorKind.DELETES_HELD_BACK, ErrorKind.QUARANTINE_FLOOD,
])
def test_what_is_wrong_with_one_table_stops_no_other(kind: ErrorKind) -> None:
    assert RULES[kind].scope is Scope.TABLE


def test_an_error_renders_as_what_why_and_fix() -> None:
    error = BqsyncError(ErrorKind.SOURCE_MISSING, what=FULL["what"], why=FULL["why"], fix=FULL["fix"])
    assert error.render() == (
        "error[E201]: the file is gone\n"
        "  why   somebody moved it\n"
        "  fix   bring it back"
    )
    assert str(error) == "the file is gone"
    assert json.loads(json.dumps(error.as_dict())) == {"code": "E201", "kind": "source_missing", **FULL}


def test_a_configuration_renders_all_its_problems() -> None:
    problems = [Problem("`db` is missing", "add it", 3), Problem("no tables", "name one")]
    error = ConfigurationError("/etc/c.toml", problems)
    assert error.kind is ErrorKind.CONFIG_INVALID
    assert error.what == "/etc/c.toml, line 3: `db` is missing (2 problems in all)"
    assert error.render() == (
        "error[E101]: /etc/c.toml can't be used\n"
        "  line 3: `db` is missing\n"
        "    fix   add it\n"
        "  no tables\n"
        "    fix   name one"
    )
    assert error.as_dict()["problems"] == "line 3: `db` is missing\nno tables"


def test_a_single_problem_without_a_line_is_told_as_one() -> None:
    error = ConfigurationError("c.toml", [Problem("no tables", "name one")], ErrorKind.CONFIG_MISSING)
    assert (error.rule.code, error.what, error.fix) == ("E102", "c.toml: no tables", "name one")


def test_a_fault_of_our_own_is_told_by_its_type_and_never_by_its_words() -> None:
    error = internal_error(KeyError("a cell value"))
    assert error.kind is ErrorKind.INTERNAL
    assert "KeyError" in error.what
    assert "a cell value" not in error.render()
