"""Rules for who sees an entry, and which of several entries of a host (EGR01xx, one per file)."""
