"""Identity. Until authentication is configured the server only listens on loopback and trusts this machine's user."""
