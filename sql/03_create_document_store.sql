-- Raw documents: resumes and cover letters, as Markdown.
CREATE TABLE IF NOT EXISTS document_store (
    document_id TEXT PRIMARY KEY,
    document_name TEXT NOT NULL,
    document_timestamp INTEGER NOT NULL, -- Unix epoch, seconds
    document_markdown TEXT,
    document_job_id_reference TEXT REFERENCES job_details (job_id),
    document_job_type TEXT
);
