"""Clusters that are a folder: one YAML file for each object, for a GitOps tool to apply."""
