"""Rules about one connection of one workload (EGR06xx)."""
