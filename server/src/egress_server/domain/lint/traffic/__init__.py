"""Rules for the traffic settings of entries (EGR01xx, one per file)."""
