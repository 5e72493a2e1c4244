"""Converts between messages and the domain. Reading collects problems; writing cannot fail."""
