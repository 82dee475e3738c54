"""watch: a write to the file becomes a wake-up."""
