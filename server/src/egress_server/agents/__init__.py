"""Probing from inside the mesh: the agent that makes real connections, and the stream that reaches it."""
