"""
columnar: the rows of large tables, read and encoded by columns, in a process of its own.

A sweep reads a table page by page. Where nearly all of it is what its columns promise, this reader makes of a page the
same bytes as the rooms `capture` and `encode`, in a fifth of the time: SQLite's rows become Arrow's columns (ADBC),
and these become protobuf (ptars). It has an SQLite of its own, and no process may have two of them at one file, since
POSIX locks belong to the process: so it is a child of the daemon, and reads under the daemon's locks.

It proves that every value of a page is what its column's type says. A page of which it can't say so is not delivered
from here: the daemon reads it again by rows.

    messages.py  what the two processes tell each other
    support.py   whether the libraries are installed, and for which tables it can be
    child.py     the daemon's hold on the process
    serve.py     the process
    scan.py      a page as Arrow's columns
    kernels.py   what of Arrow works on columns
    wires.py     columns as the values of the wire, proved
    pages.py     values of the wire as encoded rows
"""

from __future__ import annotations

from bqsync.sparing import defer

defer("numpy._core._add_newdocs", "numpy._core._add_newdocs_scalars")
"""They write the documentation of what is compiled, which nobody reads here."""
