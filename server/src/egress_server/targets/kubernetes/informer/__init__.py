"""Lists and watches a cluster's objects and keeps them in memory."""
