"""The nouns: resources, names, changes, errors, findings, lists, and what is known about clusters."""
