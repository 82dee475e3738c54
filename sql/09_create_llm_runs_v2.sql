-- One call of a language model: what went in, what came out, what it took.
CREATE TABLE IF NOT EXISTS llm_runs_v2 (
    llm_run_id TEXT PRIMARY KEY,
    job_id TEXT REFERENCES job_details (job_id),
    llm_run_type TEXT,
    llm_run_model_id TEXT REFERENCES llm_models (model_id),
    llm_run_system_prompt_id TEXT REFERENCES prompt (prompt_id),
    llm_run_input TEXT,
    llm_run_output TEXT,
    llm_run_input_tokens INTEGER,
    llm_run_output_tokens INTEGER,
    llm_run_thinking_tokens INTEGER,
    llm_run_total_tokens INTEGER,
    llm_run_start REAL, -- Unix epoch, seconds with a fraction
    llm_run_end REAL -- Unix epoch, seconds with a fraction; NULL while the call is in flight
);
