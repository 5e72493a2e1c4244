"""What a mesh should look like: snapshots, lookups, the effective state of a cluster, plans and drift."""
