"""
bqsync as a service of systemd: the unit with the paths and groups of a machine, and its way into place.

    unit.py     the text of unit, user and folders          pure
    placing.py  which file goes where, and what stands there
    system.py   writes them and calls systemd's tools
    reach.py    whether the service's user can execute what the unit starts

The texts that all begins with are the files of `systemd/`, which the package reaches by a symbolic link.
"""
