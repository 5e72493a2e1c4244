"""A real cluster that shows one world after the other."""
