"""Evidence from the sidecar, read from Envoy's admin interface."""
