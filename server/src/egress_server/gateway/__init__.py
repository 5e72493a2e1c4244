"""The REST door: routes taken from the contract's own annotations, through the same pipeline."""
