"""Policy to Istio objects: pure, total for all validated input, and byte-stable."""

from egress_server.domain.render.render import render

__all__ = ["render"]
