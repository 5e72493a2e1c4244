"""Which connections of a pod are captured: pods, the templates and policies that decide it, and restarts."""
