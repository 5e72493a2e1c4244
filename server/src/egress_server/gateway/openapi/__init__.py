"""The OpenAPI document."""

from egress_server.gateway.openapi.document import openapi_document

__all__ = ["openapi_document"]
