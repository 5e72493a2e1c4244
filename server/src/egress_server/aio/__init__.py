"""Tasks that are supervised, and what they wait with. No other package starts a task of its own (tests/unit/aio)."""
