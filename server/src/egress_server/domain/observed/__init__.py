"""What appliers observe on the clusters and mesh-egress does not manage."""
