"""Notices what other clients change on a cluster, and decides whether it is corrected."""
