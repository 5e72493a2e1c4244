"""Eyes inside the mesh: the agent that makes a real connection, and the stream that reaches it."""
