"""What policy means: frozen data and pure functions on the standard library, without I/O and without a clock."""
