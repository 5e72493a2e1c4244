"""Rules about foreign objects on the clusters (EGR07xx)."""
