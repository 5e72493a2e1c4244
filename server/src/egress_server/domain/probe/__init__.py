"""From the evidence of a real connection to a verdict."""
