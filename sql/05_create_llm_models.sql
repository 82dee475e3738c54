-- Language models and what they cost, per million tokens. No column tells when a row changed.
CREATE TABLE IF NOT EXISTS llm_models (
    model_id TEXT PRIMARY KEY,
    model_name TEXT NOT NULL,
    model_provider TEXT,
    model_cpmt_prompt REAL,
    model_cpmt_completion REAL,
    model_cpmt_thinking REAL
);
