"""The Python client of mesh-egress: controls and verifies how workloads in Istio meshes reach external services.

    import egress

    with egress.EgressClient("127.0.0.1:9090") as client:
        result = client.set_outbound_policy("REGISTRY_ONLY", reason="close the default")
        result.wait(until="verified")
        with client.fault("www.aliyun.com", delay="5s", ttl="10m"):
            print(client.probe("http://www.aliyun.com", cluster="local").outcome)

Names are loaded when they are first used. Importing `egress` alone imports neither gRPC nor protobuf, so the generated
code in `egress.v1` can be used without the client.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from egress._exports import MODULES

if TYPE_CHECKING:
    from egress._exports import *  # noqa: F403 - the names, for type checkers
    from egress._exports import __version__ as __version__

__all__ = sorted(MODULES)


def __getattr__(name: str) -> Any:
    if name not in MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(MODULES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *MODULES})
