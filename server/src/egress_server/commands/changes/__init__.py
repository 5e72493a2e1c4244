"""The history of a mesh: listing, waiting, watching, reverting."""
