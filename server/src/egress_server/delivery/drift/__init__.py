"""Detects changes by other clients on a cluster, and decides whether they are corrected."""
