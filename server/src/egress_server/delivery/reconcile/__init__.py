"""Reconciles one cluster under one lease: the plan (pure), the guards that can hold it, and the loop."""
