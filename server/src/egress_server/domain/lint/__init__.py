"""Lint: one rule per file, grouped by subject. rule.py defines what a rule is, rules.py finds all of them."""
