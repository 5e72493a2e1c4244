"""List and watch of a cluster, kept in memory."""
