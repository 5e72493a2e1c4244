"""Lint: one rule a file, grouped by what it looks at; `rule.py` defines a rule, `engine.py` runs them."""
