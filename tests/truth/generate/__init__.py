"""Random worlds by seed."""
