"""
What a user could pick instead: dlt, in its fastest way. `python bench/peer_dlt.py DATABASE FOLDER DATASET`.

That is ConnectorX, which reads into Arrow without Python, and one MERGE (`upsert`): of all its ways they took the least
processor time, `pyarrow` and `delete-insert` included.
Source: https://dlthub.com/docs/dlt-ecosystem/verified-sources/sql_database/configuration

BIGQUERY_EMULATOR_HOST tells it where.
Run by the Python of an environment of its own. One pass: the first is a copy, the next ones take what has a later
`updated_at`.
"""

from __future__ import annotations

import sys


def main() -> None:
    """One pass."""
    import dlt  # type: ignore[import-not-found]
    from dlt.common.configuration.specs import GcpServiceAccountCredentials  # type: ignore[import-not-found]
    from dlt.sources.sql_database import sql_table  # type: ignore[import-not-found]
    from google.auth.credentials import AnonymousCredentials

    database, folder, dataset = sys.argv[1:]
    # The emulator asks for no token; dlt would fetch one from Google.
    GcpServiceAccountCredentials.to_native_credentials = lambda _self: AnonymousCredentials()
    credentials = GcpServiceAccountCredentials()
    credentials.project_id, credentials.private_key, credentials.client_email = "bench", "none", "bench@localhost"
    pipeline = dlt.pipeline("peer", destination=dlt.destinations.bigquery(credentials=credentials, location="US"),
                            dataset_name=dataset, pipelines_dir=folder, progress=None)
    pipeline.run(
        sql_table(f"sqlite:///{database}", table="events", backend="connectorx", chunk_size=50_000,
                  backend_kwargs={"conn": f"sqlite://{database}", "return_type": "arrow_stream"},
                  incremental=dlt.sources.incremental("updated_at")),
        primary_key="id", write_disposition={"disposition": "merge", "strategy": "upsert"})


if __name__ == "__main__":
    main()
