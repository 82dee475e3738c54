-- The skills a job asks for, and whether a resume has them. Rows are deleted before an assessment is made anew.
CREATE TABLE IF NOT EXISTS job_skills (
    job_skill_id TEXT PRIMARY KEY,
    job_id TEXT NOT NULL REFERENCES job_details (job_id),
    job_skills_atomic_string TEXT NOT NULL,
    job_skills_type TEXT NOT NULL,
    job_skills_match_reasoning TEXT,
    job_skills_match BOOLEAN, -- 0, 1, or NULL while not assessed
    job_skills_resume_id TEXT
);
