"""Rules about what the istiod of a cluster reads and supports (EGR07xx)."""
