-- Prompt configurations. prompt_created_at need not move on an update.
CREATE TABLE IF NOT EXISTS prompt (
    prompt_id TEXT PRIMARY KEY,
    llm_run_type TEXT,
    model_id TEXT REFERENCES llm_models (model_id),
    prompt_system_prompt TEXT,
    prompt_template TEXT,
    prompt_temperature REAL,
    prompt_response_schema TEXT,
    prompt_created_at INTEGER, -- Unix epoch, seconds
    prompt_thinking_budget INTEGER
);
