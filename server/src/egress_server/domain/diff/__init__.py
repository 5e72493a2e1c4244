"""Differences between two sets of objects: what a mutation would change, and what other clients changed."""
