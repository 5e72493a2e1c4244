"""The kinds of clusters to which policy is applied, each behind the same port.

What a kind of cluster can't do is reported as UNSUPPORTED, never dropped silently.
"""
