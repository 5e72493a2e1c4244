"""Use cases, independent of the transport: they take a decoded command and raise domain errors."""
