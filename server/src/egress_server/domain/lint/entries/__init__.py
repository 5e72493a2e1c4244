"""Rules about service entries (EGR01xx)."""
