"""
The bare columnar scan: SQLite into Arrow, and nothing done with it. `python bench/columnar.py DATABASE TABLE`.

Run by the Python of an environment of its own, since the driver is no dependency of the project.
"""

from __future__ import annotations

import sys
import time


def main() -> None:
    """Print how many rows there were, and the seconds that they took."""
    from adbc_driver_sqlite import dbapi

    database, table = sys.argv[1:]
    rows, start_s = 0, time.perf_counter()
    with dbapi.connect(f"file:{database}?mode=ro") as connection, connection.cursor() as cursor:
        cursor.execute(f"SELECT * FROM {table}")
        for batch in cursor.fetch_record_batch():
            rows += batch.num_rows
    print(rows, time.perf_counter() - start_s)


if __name__ == "__main__":
    main()
