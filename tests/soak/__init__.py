"""
`make soak`: the daemon beside writers that never rest, a BigQuery that misbehaves, and deaths of every kind.

    __main__.py     the command line
    tables.py       the tables: how they are declared, configured and filled, and what has to arrive of their rows
    writer.py       a process that writes
    application.py  the processes that write; backups, restores, the last word
    site.py         folder, emulator, proxy, relay and configuration of one run
    faults.py       what goes wrong at BigQuery, and for how long
    life.py         one process of the daemon: what it says, how it ends
    lives.py        signals, kills, new starts
    state_file.py   what happens to the state file in between
    looks.py        what must hold while all this goes on
    run.py          all of that for some minutes, then quiet
    rest.py         whether the daemon has come to rest
    verdict.py      the comparison at the end
    report.py       what is printed
    steady.py       a daemon and one steady writer: what the two others have in common
    outage.py       a BigQuery that is gone for some minutes: `--outage`
    quota.py        quota errors all the time: `--quota`
"""
