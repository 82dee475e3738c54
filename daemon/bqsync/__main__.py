"""`python -m bqsync` is `bqsync`."""

from bqsync.cli import main

if __name__ == "__main__":
    main()
