"""Writes to a cluster: in which order, at which version, and what is left to other managers."""
