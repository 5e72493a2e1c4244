"""The names of our logs, metrics and spans, in one place: operators build on them."""
