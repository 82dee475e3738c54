"""The status page as text: what comes first, what is left out, and that nothing in it is anybody's markup but ours."""

from __future__ import annotations

from dataclasses import replace
from html.parser import HTMLParser

from tests.page.snapshots import FOREIGN, HOSTILE, LIVE, NOW_US, failing, snapshot, table

from bqsync.observe.page.document import page
from bqsync.observe.page.style import POLICY, SCRIPT, STYLE
from bqsync.observe.readiness import what_is_late
from bqsync.observe.report import DaemonStatus, Health, TableStatus

_VOID = {"meta", "link", "rect", "path"}


class Reader(HTMLParser):
    """The elements of a page, each closed where it should be, and the texts of its tables."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.headings: list[str] = []
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append(tag)
        self.attributes += attrs
        if tag not in _VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in _VOID:
            assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open[-2:] == ["h3", "bdi"]:
            self.headings.append(data)


def test_what_is_wrong_comes_first_with_its_fix() -> None:
    tables = (table("fine"), table("held", deletes_held=9, confirm_deletes="bqsync sync held --confirm-deletes 9"),
              table("dirty", quarantined=3), failing("orders"), table("fresh", health=Health.NEW))
    text = page(snapshot(*tables))
    assert Reader(text).headings == ["orders", "held", "dirty", "fresh", "fine"]
    for words in ("failed: E315", FOREIGN["what"], FOREIGN["fix"], "1 of 5 tables not synced",
                  "bqsync sync held --confirm-deletes 9", "3 in quarantine", "bqsync quarantine"):
        assert words in text, words


def test_names_and_messages_of_others_are_no_markup() -> None:
    error = {**FOREIGN, "code": HOSTILE, "what": HOSTILE, "why": HOSTILE, "fix": HOSTILE}
    tables = [replace(failing(HOSTILE), last_error=error, target=HOSTILE, confirm_deletes=HOSTILE, deletes_held=1)]
    text = page(snapshot(*tables, *(table(f"{HOSTILE}{number}") for number in range(80))))
    reader, plain = Reader(text), Reader(page(snapshot(failing("t"), *(table(f"t{number}") for number in range(80)))))
    assert set(reader.elements) == {*plain.elements, "code"}
    assert not any(name.startswith("on") or name == "style" for name, _ in reader.attributes)
    assert "\u202e" not in text
    assert "\x1b" not in text
    assert text.count("<script>") == 1


def test_thousands_of_tables_stay_a_page_that_can_be_read() -> None:
    tables = [table(f"t{number}") for number in range(5_000)]
    tables[4_999] = failing("the last")
    text = page(snapshot(*tables))
    assert Reader(text).headings[0] == "the last"
    assert len(text) < 600_000
    assert "And 4,552 that are no worse" in text


def test_the_policy_allows_this_style_and_this_script_and_nothing_from_elsewhere() -> None:
    text = page(snapshot(table("t")))
    assert f"<style>{STYLE}</style>" in text
    assert f"<script>{SCRIPT}</script>" in text
    assert "unsafe" not in POLICY
    assert "*" not in POLICY
    assert "http" not in POLICY


def late(table: TableStatus) -> list[str]:
    return list(what_is_late(snapshot(table).report, within_s=900, now_us=NOW_US))


def test_an_idle_table_is_never_late_and_one_that_waits_too_long_is() -> None:
    assert late(table("t", last_success_us=1)) == []
    assert late(table("t", live=replace(LIVE, pending_since_us=NOW_US - 1_000_000))) == []
    assert late(table("t", live=replace(LIVE, pending_since_us=NOW_US - 901_000_000))) == ["t: behind for 15 min"]
    assert late(table("new", last_success_us=None)) == ["new: not copied yet"]


def test_a_table_that_fails_is_late_once_it_has_failed_for_too_long() -> None:
    fails = replace(failing("t"), last_success_us=NOW_US - 3_600_000_000)
    assert late(replace(fails, live=replace(LIVE, failures=1, doubtful_since_us=NOW_US - 1_000_000))) == []
    assert late(replace(fails, live=replace(LIVE, failures=9, doubtful_since_us=NOW_US - 901_000_000))) == [
        f"t: behind for 15 min, E315: {FOREIGN['what']}"]


def test_an_outage_counts_once_a_table_of_which_no_cycle_has_ended_may_have_waited_too_long() -> None:
    down = DaemonStatus(pid=1, started_us=1, as_of_us=NOW_US, source_failure=None, outage_until_us=None,
                        outage={**FOREIGN, "code": "E301", "what": "nobody answers"})
    for waited_s, expected in ((899, []), (901, ["E301: nobody answers", "t: behind for 15 min"])):
        one = table("t", live=replace(LIVE, doubtful_since_us=NOW_US - waited_s * 1_000_000))
        assert list(what_is_late(snapshot(one, daemon=down).report, within_s=900, now_us=NOW_US)) == expected
