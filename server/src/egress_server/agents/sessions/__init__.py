"""The server's side of the agents' streams, and routing to agents attached to other processes."""
