"""The gRPC door: thin servicers that hand raw bytes to the pipeline."""
