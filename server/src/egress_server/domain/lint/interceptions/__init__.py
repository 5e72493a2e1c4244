"""Rules for interceptions, and for what bypasses the sidecar because of them (EGR04xx)."""
