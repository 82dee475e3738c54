"""state: what has been delivered."""
