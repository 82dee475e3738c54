"""
What the job tracker does to its tables, one method a deed.

Most deeds move no timestamp. Whatever a deed needs and does not find (a job to describe, a model to run) it makes
first, so that every deed works on empty tables too. A model on trial and a draft of a prompt are never referred to,
so they can be deleted again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bqsync.demo.rows import PENDING_RUN

if TYPE_CHECKING:
    from collections.abc import Callable

    from bqsync.demo.rows import Row, RowMaker
    from bqsync.demo.store import ApplicationStore
    from bqsync.model import SqlValue

_TRIAL = "trial"
_DRAFT = "draft"


class Application:
    """The deeds, over a store, a source of rows and a clock (Unix epoch in seconds, with a fraction)."""

    def __init__(self, store: ApplicationStore, make: RowMaker, clock: Callable[[], float]) -> None:
        self._store = store
        self._make = make
        self._rng = make.rng
        self._clock = clock

    def deeds(self) -> list[Callable[[], object]]:
        """Every deed once, and the commonest more often: tables grow while rows are deleted."""
        return [
            self.find_job, self.find_job, self.begin_llm_run, self.begin_llm_run, self.end_llm_run, self.start_run,
            self.start_run, self.reword_run, self.purge_run,
            self.find_job, self.describe_job, self.apply_or_withdraw, self.purge_job,
            self.store_document, self.revise_document, self.discard_document,
            self.see_job_again, self.rerank_finding,
            self.try_model, self.price_model, self.drop_model,
            self.quarantine_job, self.requarantine_job, self.release_job,
            self.assess_job, self.judge_skill,
            self.draft_prompt, self.tune_prompt, self.drop_prompt,
            self.begin_llm_run, self.end_llm_run, self.correct_llm_run, self.forget_llm_run,
        ]

    def start_run(self) -> Row:
        """The crawler starts."""
        return self._insert("job_runs", self._make.job_run(self._clock()))

    def reword_run(self) -> None:
        """Keywords change; the timestamp does not."""
        self._change("job_runs", self._run(), job_run_keywords=self._make.job_run(0)["job_run_keywords"])

    def purge_run(self) -> None:
        """A run goes, and by cascade its findings."""
        run, job = self._run(), self._job()
        self._store.upsert("run_findings", self._make.finding(run["job_run_id"], job["job_id"]))
        self._store.delete("job_runs", {"job_run_id": run["job_run_id"]})

    def find_job(self) -> Row:
        """A job turns up in a run, without its description."""
        job = self._make.job(self._clock()) | {"job_applied": 0, "job_applied_timestamp": None, "job_description": None}
        self._store.upsert("job_details", job)
        self._store.upsert("run_findings", self._make.finding(self._run()["job_run_id"], job["job_id"]))
        return job

    def describe_job(self) -> None:
        """A description is filled in: nothing else moves."""
        self._change("job_details", self._job(), job_description=self._make.long_markdown(600, 4000))

    def apply_or_withdraw(self) -> None:
        """job_applied is set with its timestamp, or cleared and the timestamp goes back to NULL."""
        job = self._job()
        applied = not job["job_applied"]
        self._change("job_details", job, job_applied=int(applied),
                     job_applied_timestamp=int(self._clock()) if applied else None)

    def purge_job(self) -> None:
        """A job goes, after everything that refers to it; its findings and quarantine go by cascade."""
        job: Row = {"job_id": self._job()["job_id"]}
        self._store.delete("job_skills", job)
        self._store.delete("llm_runs_v2", job)
        self._store.delete("document_store", {"document_job_id_reference": job["job_id"]})
        self._store.delete("job_details", job)

    def store_document(self) -> Row:
        """A resume or a cover letter arrives."""
        return self._insert("document_store", self._make.document(self._clock(), self._job()["job_id"]))

    def revise_document(self) -> None:
        """The text changes; the timestamp does not."""
        document = self._store.pick("document_store") or self.store_document()
        self._change("document_store", document, document_markdown=self._make.long_markdown(1500, 6000))

    def discard_document(self) -> None:
        """A document is deleted."""
        document = self._store.pick("document_store") or self.store_document()
        self._store.delete("document_store", {"document_id": document["document_id"]})

    def see_job_again(self) -> Row:
        """A known job turns up in another run."""
        finding = self._make.finding(self._run()["job_run_id"], self._job()["job_id"])
        return self._insert("run_findings", finding)

    def rerank_finding(self) -> None:
        """A finding moves on its page: the table has no timestamp at all."""
        finding = self._store.pick("run_findings") or self.see_job_again()
        self._change("run_findings", finding, job_run_rank=_next(finding["job_run_rank"]))

    def try_model(self) -> Row:
        """A model is listed on trial."""
        return self._insert("llm_models", self._make.model() | {"model_provider": _TRIAL})

    def price_model(self) -> None:
        """A price is raised by a tenth of a cent."""
        model = self._model()
        price = model["model_cpmt_prompt"]
        self._change("llm_models", model, model_cpmt_prompt=price + 0.001 if isinstance(price, float) else 0.1)

    def drop_model(self) -> None:
        """A model on trial is dropped."""
        model = self._store.pick("llm_models", f"model_provider = '{_TRIAL}'") or self.try_model()
        self._store.delete("llm_models", {"model_id": model["model_id"]})

    def quarantine_job(self) -> Row:
        """A job failed and is to be skipped."""
        return self._insert("job_quarantine", self._make.quarantine(self._clock(), self._job()["job_id"]))

    def requarantine_job(self) -> None:
        """The job failed again; the timestamp stays."""
        row = self._store.pick("job_quarantine") or self.quarantine_job()
        self._change("job_quarantine", row, job_quarantine_reason=f"still failing: try {self._rng.randint(2, 9999)}")

    def release_job(self) -> None:
        """The job succeeded: its quarantine is deleted."""
        row = self._store.pick("job_quarantine") or self.quarantine_job()
        self._store.delete("job_quarantine", {"job_id": row["job_id"]})

    def assess_job(self) -> None:
        """An assessment is made anew: the old skills are deleted, others take their place."""
        skill = self._store.pick("job_skills") or self._add_skill(self._job()["job_id"])
        job_id = skill["job_id"]
        self._store.delete("job_skills", {"job_id": job_id})
        for _ in range(self._rng.randint(2, 4)):
            self._add_skill(job_id)

    def judge_skill(self) -> None:
        """A match turns: NULL to 0, 0 to 1, 1 to 0."""
        skill = self._store.pick("job_skills") or self._add_skill(self._job()["job_id"])
        self._change("job_skills", skill, job_skills_match=0 if skill["job_skills_match"] is None
                     else 1 - int(bool(skill["job_skills_match"])))

    def draft_prompt(self) -> Row:
        """A prompt is drafted."""
        prompt = self._make.prompt(self._clock(), self._model()["model_id"])
        return self._insert("prompt", prompt | {"llm_run_type": _DRAFT})

    def tune_prompt(self) -> None:
        """Temperature and template change; prompt_created_at does not."""
        prompt = self._prompt()
        tuned = self._make.prompt(0, None)
        self._change("prompt", prompt, prompt_temperature=tuned["prompt_temperature"],
                     prompt_template=tuned["prompt_template"])

    def drop_prompt(self) -> None:
        """A draft is thrown away."""
        prompt = self._store.pick("prompt", f"llm_run_type = '{_DRAFT}'") or self.draft_prompt()
        self._store.delete("prompt", {"prompt_id": prompt["prompt_id"]})

    def begin_llm_run(self) -> Row:
        """A call goes out: it has no end yet."""
        run = self._make.llm_run(self._clock(), job_id=self._job()["job_id"], model_id=self._model()["model_id"],
                                 prompt_id=self._prompt()["prompt_id"])
        return self._store.upsert("llm_runs_v2", run | PENDING_RUN)

    def end_llm_run(self) -> None:
        """A call comes back."""
        run = self._store.pick("llm_runs_v2", "llm_run_end IS NULL") or self.begin_llm_run()
        made = self._make.llm_run(self._clock(), job_id=None, model_id=None, prompt_id=None)
        answer = {name: made[name] for name in PENDING_RUN}
        self._store.upsert("llm_runs_v2", run | answer | {"llm_run_end": self._clock()})

    def correct_llm_run(self) -> None:
        """An output is cleaned up afterwards: no time moves."""
        run = self._store.pick("llm_runs_v2") or self.begin_llm_run()
        self._change("llm_runs_v2", run, llm_run_output=self._make.long_markdown(100, 600))

    def forget_llm_run(self) -> None:
        """A call is deleted."""
        run = self._store.pick("llm_runs_v2") or self.begin_llm_run()
        self._store.delete("llm_runs_v2", {"llm_run_id": run["llm_run_id"]})

    def _run(self) -> Row:
        return self._store.pick("job_runs") or self.start_run()

    def _job(self) -> Row:
        return self._store.pick("job_details") or self.find_job()

    def _model(self) -> Row:
        in_service = self._store.pick("llm_models", f"model_provider IS NOT '{_TRIAL}'")
        return in_service or self._store.upsert("llm_models", self._make.model())

    def _prompt(self) -> Row:
        in_use = self._store.pick("prompt", f"llm_run_type IS NOT '{_DRAFT}'")
        model_id = None if in_use else self._model()["model_id"]
        return in_use or self._store.upsert("prompt", self._make.prompt(self._clock(), model_id))

    def _add_skill(self, job_id: SqlValue) -> Row:
        document = self._store.pick("document_store")
        skill = self._make.skill(job_id, document["document_id"] if document else None)
        return self._insert("job_skills", skill)

    def _insert(self, table: str, row: Row) -> Row:
        return self._store.upsert(table, self._make.gappy(table, row))

    def _change(self, table: str, row: Row, **changes: SqlValue) -> None:
        self._store.upsert(table, row | changes)


def _next(value: SqlValue) -> int:
    return value + 1 if isinstance(value, int) else 0
