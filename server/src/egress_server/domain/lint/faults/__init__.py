"""Rules for faults (EGR02xx)."""
