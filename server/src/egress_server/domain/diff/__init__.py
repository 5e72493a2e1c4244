"""Differences between two sets of objects: what a mutation would change, and what others changed."""
