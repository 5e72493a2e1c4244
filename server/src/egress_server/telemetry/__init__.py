"""Logs, metrics and spans. Their names are in one place, because operators build on them."""
