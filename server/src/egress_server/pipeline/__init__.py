"""The one path of every call, whatever the transport."""
