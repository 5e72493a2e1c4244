"""Ends faults on time: first on the clusters, then in the store."""
