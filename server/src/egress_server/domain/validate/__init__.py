"""Validation of single resources, regardless of what else exists."""

from egress_server.domain.validate.problems import Problems
from egress_server.domain.validate.resources import check_resource

__all__ = ["Problems", "check_resource"]
