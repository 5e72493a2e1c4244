"""Clusters that are a folder: one YAML file an object, for a GitOps tool to take from there."""
