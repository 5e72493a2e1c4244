"""The control plane: accepts policy, stores it, and reconciles every cluster with it.

The workspace's pyproject.toml has the contracts of what each sub-package may import; CONTRIBUTING.md describes what
belongs where.
"""
