"""Brings clusters to desired state, one controller each under a lease, and verifies by probes what took effect.

The store is the truth and its streams only a hint: a reconcile compares what a cluster holds with the newest desired
state, so lost, repeated or reordered events change nothing.
"""
