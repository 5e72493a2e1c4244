"""Rules about faults (EGR02xx)."""
