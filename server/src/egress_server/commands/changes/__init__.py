"""The history of a mesh: list, wait for, watch and revert changes."""
