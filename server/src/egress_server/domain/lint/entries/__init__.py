"""Rules for service entries (EGR01xx)."""
