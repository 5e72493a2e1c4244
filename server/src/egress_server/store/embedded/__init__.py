"""A server of our own, in a data directory of its own."""
