"""capture: a wake-up becomes changes."""
