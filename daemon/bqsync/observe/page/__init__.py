"""The status page: a snapshot as HTML, made by pure functions."""
