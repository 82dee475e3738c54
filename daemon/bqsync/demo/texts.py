"""Text as it really is: many scripts, emoji, Markdown of any length, quotes, tabs and line breaks."""
# ruff: noqa: RUF001 (letters and dashes that look like ASCII are the point)

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import random

TITLES = (
    "Data Engineer",
    "Ingénieur·e de données 🚀",
    "データエンジニア",
    "Инженер данных",
    "مهندس بيانات",
    "Senior Backend Developer (m/w/d) – München",
    "Analista de datos 📊",
    "数据工程师",
    "Site Reliability Engineer 👩🏽\u200d💻",
    'Platform "Paved Road" Engineer',
    "Développeuse Pythön",
    "백엔드 개발자",
)
COMPANIES = (
    "Łódź Analytics", "Ærø Wind A/S", "O'Reilly & Søns", "株式会社ことり", "Größtmaß GmbH", "Acme; DROP Ltd.", "Ñandú",
)
LOCATIONS = ("Zürich", "Remote 🌍", "São Paulo", "Kraków", "東京", "Ulaanbaatar", "Reykjavík")
SALARIES = ("€60–75k", "120.000 kr", "¥9,000,000", "£50,000 + bonus", "$150k–$180k", "competitive 💸")
SKILLS = ("SQLite", "BigQuery", "gRPC", "Python ≥ 3.11", "C++", "Terraform", "naïve Bayes", "Kanji N2 (日本語)")
SKILL_TYPES = ("required", "preferred", "soft")
RUN_TYPES = ("assess_skills", "extract_skills", "cover_letter", "summary")
PROVIDERS = ("openai", "anthropic", "google", "mistral", "local")
REASONS = ("page not found", "timed out after 30 s", "blocked by robots.txt 🤖", "réponse illisible")

_SENTENCES = (
    "You will own pipelines that carry a few hundred million rows a day.",
    "Wir suchen eine Person, die Fragen stellt, bevor sie Antworten schreibt.",
    "Nous offrons des horaires souples, un café correct ☕ et des collègues patients.",
    "応募には職務経歴書をお送りください。",
    "Опыт работы с распределёнными системами обязателен.",
    "The team is small (5–7 people), and reviews are kind but thorough ✅.",
    "Please quote `REF\\2025` and don't send a \u201cphotograph\u201d.",
    "Columns:\tname\tvalue\tunit",
    "Compensation is reviewed every 6 months; 0 % of it is paid in exposure.",
    "Experience with change data capture, idempotent writes and late data is a plus.",
)
_MARKDOWN = "## {title}\n\n{sentence}\n\n- {skill}\n- [ ] {sentence}\n\n```sql\nSELECT '{skill}';\n```\n\n"
_RESERVE_CHARACTERS = 1 << 16


class TextSource:
    """Cuts texts of any length out of a reserve that is made once, so that a hundred thousand rows take seconds."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._prose = _reserve(rng, "{sentence} ")
        self._markdown = _reserve(rng, _MARKDOWN)

    def prose(self, shortest: int, longest: int) -> str:
        """Running text of that many characters."""
        return self._cut(self._prose, shortest, longest)

    def markdown(self, shortest: int, longest: int) -> str:
        """Headings, lists and code of that many characters; at most 60,000."""
        return self._cut(self._markdown, shortest, longest)

    def _cut(self, reserve: str, shortest: int, longest: int) -> str:
        length = shortest + int(self._rng.random() * (longest - shortest + 1))
        start = int(self._rng.random() * (len(reserve) - length))
        return reserve[start : start + length]


def _reserve(rng: random.Random, form: str) -> str:
    parts: list[str] = []
    length = 0
    while length < _RESERVE_CHARACTERS:
        part = form.format(sentence=rng.choice(_SENTENCES), title=rng.choice(TITLES), skill=rng.choice(SKILLS))
        parts.append(part)
        length += len(part)
    return "".join(parts)
