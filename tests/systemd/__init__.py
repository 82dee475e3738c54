"""
`make test-systemd`: the daemon under systemd, in a Debian of its own that is booted for it. Needs root.

    __main__.py       the order of things
    machine.py        the Debian: made once, copied, booted, shut down
    installation.py   bqsync in it as docs/operations.md tells, an application, a BigQuery outside
    application.py    the program that writes to the database; runs inside
    report.py         one line for each check
    starting.py       installed, started, reading, delivering
    hardening.py      what the process may see and do
    living.py         reload, death, hanging, stop
"""
