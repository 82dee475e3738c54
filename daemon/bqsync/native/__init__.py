"""
native: the rows of large tables, read and encoded by compiled code.

A sweep reads a table page by page. Where nearly all of it is what its columns promise, this makes of a page the same
bytes as the rooms `capture` and `encode`, in a tenth of the time, and while it does, Python's other threads go on. It
is a few hundred lines of C without any dependency, which call the very SQLite that Python's `sqlite3` has loaded: no
process may have two of them at one file, since POSIX locks belong to the process.

What it does not know is converted by `encode`, a column at a time. A page that holds something else than its columns
promise is not delivered from here: it is read again by rows. So is everything where the compiled part is not there.

    pages.h      what Python and C tell each other
    sqlite.c     the SQLite of this process
    page.c       its memory
    scan.c       a page as cells
    fields.c     a cell as a field of the wire
    encode.c     cells as rows of the wire, with keys and fingerprints
    xxh3.c       fingerprints
    library.py   the same, as ctypes sees it
    cells.py     cells as values of Python, and back
    offer.py     whether there is compiled code for a table
    plan.py      how its columns are encoded
    reader.py    the pages of a table
"""
