"""Settings of each process, from flags and environment variables, checked before anything starts."""

from egress_server.config.settings import (
    AgentSettings,
    ApiSettings,
    ApplierSettings,
    ApplySettings,
    ProcessSettings,
    RunSettings,
    ServeSettings,
)
from egress_server.config.values import Option, split_address

__all__ = [
    "AgentSettings",
    "ApiSettings",
    "ApplierSettings",
    "ApplySettings",
    "Option",
    "ProcessSettings",
    "RunSettings",
    "ServeSettings",
    "split_address",
]
