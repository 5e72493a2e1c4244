"""Lint: one rule per file, grouped by subject. rule.py defines what a rule is, engine.py finds and runs them."""
