"""encode: a change becomes protobuf bytes."""
