"""
A BigQuery on this machine: bqemulator, run as a child process with its data in a folder.

    server.py     the child: locks the folder, serves, ends with its parent
    process.py    the parent's side: starts the child or joins one that runs
    endpoint.py   the file by which the two, and later processes, find each other

The emulator keeps an event loop, a DuckDB and some 300 MB of modules to itself, so it gets a process of its own.
"""

from __future__ import annotations

from bqsync.embedded.process import EmbeddedBigQuery, Endpoints

__all__ = ["EmbeddedBigQuery", "Endpoints"]
