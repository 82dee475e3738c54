"""What `bqsync init` proposes for a database that nobody has prepared: read, judged, written."""
