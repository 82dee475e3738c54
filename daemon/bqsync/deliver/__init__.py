"""deliver: bytes become rows in BigQuery."""
