"""Clusters: registration, observations, and decisions by operators."""
