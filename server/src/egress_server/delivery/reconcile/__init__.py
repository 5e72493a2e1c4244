"""Reconciles one cluster under one lease: a pure plan, the guards that can hold it, and the loop that applies it."""
