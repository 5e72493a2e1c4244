"""Drives each cluster to what the store says, however often a step fails or a hint is lost."""
