"""Reconciles a cluster under a lease: the plan (pure), the guards that can hold it, and the loop that applies it."""
