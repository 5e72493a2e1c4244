"""What policy means, whoever stores it, carries it or applies it.

Frozen data and pure functions on the standard library alone, so that every decision can be
tested without a server, a store, a cluster or a clock.
"""
