"""Istio objects compiled to Envoy configuration, as istiod does for one sidecar."""
