"""The agent process, which runs in a pod and makes the connections it is asked to make."""
