"""Ending faults on time: on the cluster, and in the store."""
