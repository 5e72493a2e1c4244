"""One observation of a cluster: managed objects, foreign configuration, inventory."""
