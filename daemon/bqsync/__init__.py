"""bqsync keeps Google BigQuery tables equal to a SQLite file."""
