"""The control plane: accepts policy, keeps it, and drives every cluster to it.

The rooms of this package and the one direction in which they may import each other are written
down as contracts in the workspace's pyproject.toml; CONTRIBUTING.md says what lives where.
"""
