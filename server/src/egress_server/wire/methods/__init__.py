"""One file a method: its request, how it is decoded, the permission it needs, what does it, how it is encoded."""
