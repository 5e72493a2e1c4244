"""Clusters: registration, what is observed on them, and what people decide about them."""
