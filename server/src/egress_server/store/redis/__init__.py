"""The connection to Redis: address, protocol, and what a server must offer before it is trusted."""
