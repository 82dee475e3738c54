"""
bqsync as a package of Debian: `make deb`.

    lock.py         what of requirements-dev.lock the program needs           pure
    texts.py        control, copyright, changelog                             pure
    man.py          the manual page, made of the commands' own help           pure
    environment.py  the virtual environment that the package carries
    tree.py         which file lies where
    __main__.py     builds dist/bqsync_VERSION_ARCHITECTURE.deb

Units, user and folders are the files of `systemd/`, as they are. No debhelper is needed, only dpkg-deb.
"""
