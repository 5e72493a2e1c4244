"""Compares what the model says about random worlds with what istiod, a sidecar and curl say."""
