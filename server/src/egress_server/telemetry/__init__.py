"""The names of our logs, metrics and spans, in one place, so that they stay stable for operators."""
