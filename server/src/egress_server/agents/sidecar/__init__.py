"""Reading the sidecar's own evidence from Envoy's admin interface."""
