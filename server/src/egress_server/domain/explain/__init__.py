"""What will happen to a connection, in words, and which resource decides it."""
