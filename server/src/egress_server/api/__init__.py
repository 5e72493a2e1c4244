"""The gRPC transport: passes bytes to the pipeline and back. The pipeline parses them, so that a malformed message gets
the API's own error instead of that of the library."""
