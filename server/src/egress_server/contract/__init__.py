"""Messages to the domain and back. Reading collects problems; writing cannot fail."""
