"""
What a user could pick instead: dlt, by Arrow. `python bench/peer_dlt.py DATABASE FOLDER`, with BIGQUERY_EMULATOR_HOST.

Run by the Python of an environment of its own. One pass: the first is a copy, the next ones take what has a later
`updated_at`. Prints the seconds of the pass and those of the processor.
"""

from __future__ import annotations

import os
import sys
import time


def main() -> None:
    """One pass."""
    import dlt  # type: ignore[import-not-found]
    from dlt.common.configuration.specs import GcpServiceAccountCredentials  # type: ignore[import-not-found]
    from dlt.sources.sql_database import sql_table  # type: ignore[import-not-found]
    from google.auth.credentials import AnonymousCredentials

    database, folder = sys.argv[1:]
    # The emulator asks for no token; dlt would fetch one from Google.
    GcpServiceAccountCredentials.to_native_credentials = lambda _self: AnonymousCredentials()
    credentials = GcpServiceAccountCredentials()
    credentials.project_id, credentials.private_key, credentials.client_email = "bench", "none", "bench@localhost"
    start_s = time.perf_counter()
    pipeline = dlt.pipeline("peer", destination=dlt.destinations.bigquery(credentials=credentials, location="US"),
                            dataset_name="peer", pipelines_dir=folder, progress=None)
    pipeline.run(
        sql_table(f"sqlite:///{database}", table="events", backend="pyarrow", chunk_size=50_000,
                  incremental=dlt.sources.incremental("updated_at")),
        primary_key="id", write_disposition="merge")
    used = os.times()
    print(time.perf_counter() - start_s, used.user + used.system + used.children_user + used.children_system)


if __name__ == "__main__":
    main()
