"""Text that people hand us, Istio's YAML and our own, to and from the domain.

Kept apart from `wire` because a file means the same whichever door it comes through.
"""
