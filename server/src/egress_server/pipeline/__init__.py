"""The path that every call takes, whatever its transport."""
