"""The job tracker application: nine tables, their data, and a writer that behaves as the application does."""
