"""The page about `explain` has every sentence and every word that it may print."""

from __future__ import annotations

import re
from pathlib import Path

from bqsync.engine.sentences import LEDGER_TEXTS, TARGET_TEXTS, TEXTS, LedgerWord, Sentence, TargetWord, Way

PAGE = (Path(__file__).parents[1] / "docs" / "explain.md").read_text(encoding="utf-8")


def test_every_sentence_has_a_row_and_a_text() -> None:
    rows = re.findall(r"^\| `([a-z_]+)` \|", PAGE[PAGE.index("## The sentences"):], re.MULTILINE)
    assert sorted(rows) == sorted(sentence.value for sentence in Sentence)
    assert set(TEXTS) == set(Sentence)
    assert [text for text in TEXTS.values() if not re.match(r"[A-Z{][^.]*(?:\.\S[^.]*)*\.$", text)] == [], "one each"


def test_every_word_is_named() -> None:
    shown = PAGE[PAGE.index("`--json` prints the same"):PAGE.index("## The sentences")]
    for words in (LedgerWord, TargetWord, Way):
        assert [word.value for word in words if f"`{word.value}`" not in shown] == []
    assert (set(LEDGER_TEXTS), set(TARGET_TEXTS)) == (set(LedgerWord), set(TargetWord))
