"""Methods that `make gen` generates. Never edited."""
