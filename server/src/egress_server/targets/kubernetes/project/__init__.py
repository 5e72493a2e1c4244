"""Projects desired objects onto what a cluster holds and supports: pure, one file for each kind."""
