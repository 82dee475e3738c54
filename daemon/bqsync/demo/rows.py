"""Makes rows of the nine tables, complete or with the gaps that real rows have."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bqsync.demo import texts

if TYPE_CHECKING:
    import random
    from collections.abc import Mapping

    from bqsync.model import SqlValue

Row = dict[str, "SqlValue"]
"""A row by column name, in the order of the table's columns."""


@dataclass(frozen=True, slots=True)
class Gap:
    """What some of a table's rows hold instead of the usual value."""

    share: float
    """How many of the rows, 0 to 1."""
    values: Mapping[str, SqlValue]


PENDING_RUN: Row = {
    "llm_run_output": None,
    "llm_run_output_tokens": None,
    "llm_run_thinking_tokens": None,
    "llm_run_total_tokens": None,
    "llm_run_end": None,
}
"""What a row of llm_runs_v2 holds while the call is in flight."""

GAPS: dict[str, tuple[Gap, ...]] = {
    "job_runs": (Gap(0.05, {"job_run_keywords": ""}), Gap(0.05, {"job_run_keywords": None})),
    "job_details": (
        Gap(0.80, {"job_applied": 0, "job_applied_timestamp": None}),
        Gap(0.02, {"job_applied": None, "job_applied_timestamp": None}),
        Gap(0.05, {"job_location": ""}),
        Gap(0.60, {"job_salary": None}),
        Gap(0.30, {"job_description": None}),
        Gap(0.30, {"job_url_direct": None}),
        Gap(0.01, {"job_title": None, "job_company": None, "job_location": None, "job_url": None}),
    ),
    "document_store": (
        Gap(0.05, {"document_markdown": ""}),
        Gap(0.02, {"document_markdown": None}),
        Gap(0.30, {"document_job_id_reference": None}),
        Gap(0.10, {"document_job_type": None}),
    ),
    "run_findings": (Gap(0.05, {"job_run_rank": 0}), Gap(0.05, {"job_run_page_num": None, "job_run_rank": None})),
    "llm_models": (
        Gap(0.20, {"model_cpmt_thinking": 0.0}),
        Gap(0.20, {"model_cpmt_thinking": None}),
        Gap(0.10, {"model_provider": None, "model_cpmt_prompt": None, "model_cpmt_completion": None}),
    ),
    "job_quarantine": (Gap(0.10, {"job_quarantine_reason": None}), Gap(0.05, {"job_quarantine_timestamp": None})),
    "job_skills": (
        Gap(0.10, {"job_skills_match_reasoning": ""}),
        Gap(0.15, {"job_skills_match": None, "job_skills_match_reasoning": None}),
        Gap(0.10, {"job_skills_resume_id": None}),
    ),
    "prompt": (
        Gap(0.20, {"prompt_thinking_budget": 0}),
        Gap(0.30, {"prompt_thinking_budget": None}),
        Gap(0.40, {"prompt_response_schema": None}),
        Gap(0.10, {"prompt_temperature": None, "model_id": None}),
        Gap(0.05, {"prompt_system_prompt": "", "prompt_template": None}),
        Gap(0.02, {"prompt_system_prompt": None, "llm_run_type": None, "prompt_created_at": None}),
    ),
    "llm_runs_v2": (
        Gap(0.30, {"llm_run_thinking_tokens": 0}),
        Gap(0.02, {"llm_run_output": "", "llm_run_output_tokens": 0}),
        Gap(0.03, PENDING_RUN),
        Gap(0.02, {"job_id": None}),
        Gap(0.01, {"llm_run_type": None, "llm_run_model_id": None, "llm_run_system_prompt_id": None}),
        Gap(0.005, {"llm_run_input": None, "llm_run_input_tokens": None, "llm_run_start": None}),
    ),
}
"""By table. Later gaps win, so a row with all of them holds NULL in every column that may."""


class RowMaker:
    """
    Complete rows from a source of random numbers: the same numbers give the same rows.

    `now` is the Unix epoch in seconds, with a fraction. Foreign keys are the caller's.
    """

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self._texts = texts.TextSource(rng)

    def gappy(self, table: str, row: Row) -> Row:
        """The row with each gap of its table as often as it occurs."""
        for gap in GAPS[table]:
            if self.rng.random() < gap.share:
                row.update(gap.values)
        return row

    def job_run(self, now: float) -> Row:
        """A row of job_runs."""
        return {
            "job_run_id": self._id(),
            "job_run_timestamp": int(now),
            "job_run_keywords": ", ".join(self.rng.sample(texts.SKILLS, 2)),
        }

    def job(self, now: float) -> Row:
        """A row of job_details: a job that was applied for."""
        job_id = self._id()
        return {
            "job_id": job_id,
            "job_title": self.rng.choice(texts.TITLES),
            "job_company": self.rng.choice(texts.COMPANIES),
            "job_location": self.rng.choice(texts.LOCATIONS),
            "job_salary": self.rng.choice(texts.SALARIES),
            "job_url": f"https://jobs.example.com/view/{job_id}?q=caf%C3%A9&page=1",
            "job_url_direct": f"https://careers.example.org/{job_id[:8]}",
            "job_description": self.long_markdown(600, 4000),
            "job_applied": 1,
            "job_applied_timestamp": int(now),
        }

    def document(self, now: float, job_id: SqlValue) -> Row:
        """A row of document_store."""
        return {
            "document_id": self._id(),
            "document_name": f"{self.rng.choice(('résumé', 'cover letter ✉️', 'Zeugnis'))}.md",
            "document_timestamp": int(now),
            "document_markdown": self.long_markdown(1500, 6000),
            "document_job_id_reference": job_id,
            "document_job_type": self.rng.choice(("resume", "cover_letter")),
        }

    def finding(self, job_run_id: SqlValue, job_id: SqlValue) -> Row:
        """A row of run_findings."""
        return {
            "job_run_id": job_run_id,
            "job_id": job_id,
            "job_run_page_num": self.rng.randint(1, 12),
            "job_run_rank": self.rng.randint(1, 25),
        }

    def model(self) -> Row:
        """A row of llm_models."""
        return {
            "model_id": self._id(),
            "model_name": f"model-{self.rng.randint(1, 999)}-{self.rng.choice(('mini', 'pro', 'flash ⚡'))}",
            "model_provider": self.rng.choice(texts.PROVIDERS),
            "model_cpmt_prompt": self.rng.choice((0.1, 0.15, 0.3, 2.5)),
            "model_cpmt_completion": self.rng.choice((0.4, 0.6, 1.1, 10.0)),
            "model_cpmt_thinking": self.rng.choice((0.1, 0.7, 3.5)),
        }

    def quarantine(self, now: float, job_id: SqlValue) -> Row:
        """A row of job_quarantine."""
        return {
            "job_quarantine_id": self._id(),
            "job_id": job_id,
            "job_quarantine_reason": self.rng.choice(texts.REASONS),
            "job_quarantine_timestamp": int(now),
        }

    def skill(self, job_id: SqlValue, resume_id: SqlValue) -> Row:
        """A row of job_skills."""
        return {
            "job_skill_id": self._id(),
            "job_id": job_id,
            "job_skills_atomic_string": self.rng.choice(texts.SKILLS),
            "job_skills_type": self.rng.choice(texts.SKILL_TYPES),
            "job_skills_match_reasoning": self._texts.prose(40, 300),
            "job_skills_match": self.rng.randint(0, 1),
            "job_skills_resume_id": resume_id,
        }

    def prompt(self, now: float, model_id: SqlValue) -> Row:
        """A row of prompt."""
        return {
            "prompt_id": self._id(),
            "llm_run_type": self.rng.choice(texts.RUN_TYPES),
            "model_id": model_id,
            "prompt_system_prompt": self._texts.markdown(200, 1200),
            "prompt_template": f"{{job_description}}\n\n{self._texts.prose(80, 500)}",
            "prompt_temperature": self.rng.choice((0.3, 0.7, 0.0)),
            "prompt_response_schema": '{"type": "object", "properties": {"match": {"type": "boolean"}}}',
            "prompt_created_at": int(now),
            "prompt_thinking_budget": self.rng.choice((1024, 8192, 24576)),
        }

    def llm_run(self, now: float, *, job_id: SqlValue, model_id: SqlValue, prompt_id: SqlValue) -> Row:
        """A row of llm_runs_v2 (about 1.3 kB): a call that began at `now` and has ended."""
        random = self.rng.random  # called often: a hundred thousand rows are to take seconds
        tokens = [int(200 + random() * 3000), int(20 + random() * 800), int(1 + random() * 2000)]
        return {
            "llm_run_id": self._id(),
            "job_id": job_id,
            "llm_run_type": texts.RUN_TYPES[int(random() * len(texts.RUN_TYPES))],
            "llm_run_model_id": model_id,
            "llm_run_system_prompt_id": prompt_id,
            "llm_run_input": self._texts.prose(200, 800),
            "llm_run_output": self._texts.markdown(150, 500),
            "llm_run_input_tokens": tokens[0],
            "llm_run_output_tokens": tokens[1],
            "llm_run_thinking_tokens": tokens[2],
            "llm_run_total_tokens": sum(tokens),
            "llm_run_start": now,
            "llm_run_end": now + 0.4 + random() * 20,
        }

    def long_markdown(self, shortest: int, longest: int) -> str:
        """Markdown of that many characters; one text in twenty has tens of thousands."""
        if self.rng.random() < 0.05:
            return self._texts.markdown(20_000, 50_000)
        return self._texts.markdown(shortest, longest)

    def _id(self) -> str:
        return f"{self.rng.getrandbits(128):032x}"
