"""What people see of a running bqsync: one line for each event, with constant names and values in fields."""
