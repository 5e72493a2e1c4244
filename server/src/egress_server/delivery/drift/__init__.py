"""Changes that others make on a cluster: noticed, reported, corrected."""
