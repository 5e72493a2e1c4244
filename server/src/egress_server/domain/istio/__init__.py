"""Istio's objects, as far as they decide what a sidecar does with a connection: managed and foreign ones alike."""
