"""The gRPC door. Thin: bytes in, pipeline, bytes out; parsing happens behind it, where a malformed message gets an
error of ours instead of the library's."""
