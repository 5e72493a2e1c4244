"""Desired state: the snapshot of a mesh, its indexes, and the policy in effect on one cluster."""
