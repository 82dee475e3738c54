-- Which run found which job, and where on the results page. No column tells when a row changed.
CREATE TABLE IF NOT EXISTS run_findings (
    job_run_id TEXT REFERENCES job_runs (job_run_id) ON DELETE CASCADE,
    job_id TEXT REFERENCES job_details (job_id) ON DELETE CASCADE,
    job_run_page_num INTEGER,
    job_run_rank INTEGER,
    PRIMARY KEY (job_run_id, job_id)
);
