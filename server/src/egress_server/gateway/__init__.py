"""The REST transport: routes from the contract's google.api.http annotations, through the same pipeline as gRPC."""
