-- Jobs to skip; the row goes when the job later succeeds.
CREATE TABLE IF NOT EXISTS job_quarantine (
    job_quarantine_id TEXT PRIMARY KEY,
    job_id TEXT NOT NULL REFERENCES job_details (job_id) ON DELETE CASCADE,
    job_quarantine_reason TEXT,
    job_quarantine_timestamp INTEGER DEFAULT (strftime('%s', 'now')) -- Unix epoch, seconds
);
