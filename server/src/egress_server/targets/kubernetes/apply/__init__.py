"""Writing to a cluster: order, versions, field ownership, and the record we leave there."""
