"""The agent process, which runs in the pod and makes the connections it is asked to make."""
