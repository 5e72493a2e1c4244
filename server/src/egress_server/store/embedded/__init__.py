"""A redis-server of our own, in a data directory of its own."""
