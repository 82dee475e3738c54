"""What the project relies on of BigQuery, asked of whatever BigQuery a run of the tests has."""
