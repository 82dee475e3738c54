-- One run of the crawler.
CREATE TABLE IF NOT EXISTS job_runs (
    job_run_id TEXT PRIMARY KEY,
    job_run_timestamp INTEGER NOT NULL, -- Unix epoch, seconds
    job_run_keywords TEXT
);
