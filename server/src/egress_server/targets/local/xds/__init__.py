"""istiod's part for one sidecar: Istio objects compiled to Envoy configuration."""
