"""The key file of a service account and its tokens, in a daemon that takes what answers for Google itself."""

from __future__ import annotations

import json

import grpc
from tests.bad_input.command import run
from tests.daemon.conftest import Start
from tests.daemon.life import PATIENCE_S, Life
from tests.daemon.tables import MARKED, PLAIN, QUICK, fill, wait_equal
from tests.faults.remote.google import Google
from tests.hostile.actions import Method, RestFailure, StorageFailure
from tests.hostile.proxy import HostileBigQuery
from tests.workbench import Workbench

EXPIRED = RestFailure(status=401, reason="authError", message="Request had invalid authentication credentials.")
UNAUTHENTICATED = StorageFailure(status=grpc.StatusCode.UNAUTHENTICATED, message="The token is not valid.")


def refuse(hostile: HostileBigQuery, token: str) -> None:
    """From now on, on both interfaces, what is shown does not count; `token` may be the beginning of several."""
    hostile.rule(Method.ANY, EXPIRED, holding=f"Bearer {token}")
    hostile.rule(Method.ANY, UNAUTHENTICATED, holding=f"Bearer {token}")


def tokens_used(hostile: HostileBigQuery, method: Method) -> set[str]:
    return {call.authorization.removeprefix("Bearer ") for call in hostile.matching(method)}


def assert_keeps_secrets(google: Google, bench: Workbench, *lives: Life) -> None:
    """Neither the log nor the state holds a token, a key, or anything that was signed with one."""
    written = "".join(json.dumps(life.lines) + life.errors for life in lives)
    written += "".join(path.read_bytes().decode("latin-1") for path in bench.state_path.parent.glob("*"))
    assert [secret for secret in (*google.tokens.given, *google.tokens.secrets) if secret in written] == []


def loud(life: Life) -> list[dict[str, object]]:
    return [line for line in life.lines if line["level"] in {"error", "warning"}]


def test_tokens_that_end_or_are_refused_are_replaced_and_nobody_notices(
    workbench: Workbench, hostile: HostileBigQuery, google: Google, start: Start,
) -> None:
    fill(workbench)
    google.tokens.lifetime_s = 1
    google.configure(workbench, MARKED + PLAIN, extra=QUICK)
    life = start(workbench, **google.environment).ready()
    wait_equal(life, workbench, "marked", "plain")
    assert len(tokens_used(hostile, Method.JOBS_INSERT)) > 1, "each has ended before the next call"
    google.tokens.lifetime_s = 3600
    workbench.db.execute("INSERT INTO plain VALUES (50, 'with a token that lasts')")
    wait_equal(life, workbench, "plain")

    for token in google.tokens.given:
        refuse(hostile, token)
    workbench.db.execute("INSERT INTO plain VALUES (51, 'after it was refused')")
    workbench.db.execute("DELETE FROM plain WHERE id = 1")
    wait_equal(life, workbench, "plain")
    for method in (Method.TABLES_GET, Method.JOBS_INSERT, Method.CREATE_WRITE_STREAM, Method.APPEND_ROWS):
        assert all(token.startswith("ya29.first-") for token in tokens_used(hostile, method)), method
    assert life.end(within_s=PATIENCE_S) == 0
    assert loud(life) == []
    assert_keeps_secrets(google, workbench, life)


def test_a_revoked_key_is_told_once_and_the_next_one_is_taken_from_the_file_as_it_comes(
    workbench: Workbench, hostile: HostileBigQuery, google: Google, start: Start,
) -> None:
    fill(workbench)
    key = google.configure(workbench, MARKED + PLAIN, extra=QUICK)
    life = start(workbench, **google.environment).ready()
    wait_equal(life, workbench, "marked", "plain")

    key.write_text("{ half of a k", encoding="utf-8")
    google.tokens.revoked.add("first")
    refuse(hostile, "ya29.first-")
    workbench.db.execute("INSERT INTO plain VALUES (50, 'during')")
    workbench.db.execute("DELETE FROM plain WHERE id = 1")
    failed = life.wait("sync.failed")
    assert failed["code"] == "E307"
    assert [word for word in (str(key), "it holds no key", "invalid_grant") if word not in failed["why"]] == []
    assert "GOOGLE_APPLICATION_CREDENTIALS" in failed["fix"]
    life.wait_until(lambda: "(E307)" in life.status(), "a status that says so")
    life.wait_until(lambda: google.tokens.refused > 1, "it tries again")

    google.tokens.write_key(key, "second")
    wait_equal(life, workbench, "plain")
    assert life.wait("sync.recovered")["code"] == "E307"
    assert life.end(within_s=PATIENCE_S) == 0
    assert len(life.events("sync.failed")) == 1
    assert life.errors == ""
    assert_keeps_secrets(google, workbench, life)


def test_without_its_key_file_a_daemon_goes_on_with_the_key_that_it_has_and_a_reload_is_refused(
    workbench: Workbench, hostile: HostileBigQuery, google: Google, start: Start,
) -> None:
    fill(workbench)
    key = google.configure(workbench, PLAIN, extra=QUICK)
    life = start(workbench, **google.environment).ready()
    wait_equal(life, workbench, "plain")

    key.unlink()
    for token in google.tokens.given:
        refuse(hostile, token)
    workbench.db.execute("INSERT INTO plain VALUES (50, 'a new token of the old key')")
    wait_equal(life, workbench, "plain")
    life.reload()
    failed = life.wait("daemon.reload_failed")
    assert (failed["code"], str(key) in failed["what"], failed["why"]) == ("E307", True, "No such file or directory")
    workbench.db.execute("INSERT INTO plain VALUES (51, 'the old one is still in force')")
    wait_equal(life, workbench, "plain")

    google.tokens.write_key(key, "second")
    life.reload()
    life.wait("daemon.reloaded")
    workbench.db.execute("INSERT INTO plain VALUES (52, 'the new one is')")
    wait_equal(life, workbench, "plain")
    assert google.tokens.given[-1].startswith("ya29.second-")
    assert life.end(within_s=PATIENCE_S) == 0
    assert [line["event"] for line in loud(life)] == ["daemon.reload_failed"]
    assert_keeps_secrets(google, workbench, life)


def test_a_command_with_a_revoked_key_ends_at_once(workbench: Workbench, google: Google) -> None:
    fill(workbench)
    google.configure(workbench, PLAIN)
    google.tokens.revoked.add("first")
    done = run(workbench.folder, "sync", environment=google.environment)
    done.told(77, "E307", "invalid_grant", "GOOGLE_APPLICATION_CREDENTIALS")
    assert google.tokens.refused == 1, "a refusal is not tried again"
    assert [secret for secret in google.tokens.secrets if secret in done.output + done.errors] == []
