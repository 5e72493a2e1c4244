"""Real workloads, whose curl and Probe confirm a sample of the answers."""
