"""The connection to a server: address, protocol, releases, and what a server must offer before it is trusted."""
