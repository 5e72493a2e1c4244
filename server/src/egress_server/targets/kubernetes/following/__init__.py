"""What of a cluster is followed by list and watch, and how it was seen last."""
