"""A server with Ascend chips, played."""
