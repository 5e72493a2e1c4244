"""Complete kubeconfigs for tests, with a secret that must not show up anywhere."""

import base64
import json
from typing import Any

CANARY = "canary-9e107d9d372bb682"
"""The token in every kubeconfig made here, by default."""
SERVER = "https://127.0.0.1:1"
"""Nothing listens there, on any machine: appliers really try to connect."""


def pem(words: str = "anything") -> str:
    """PEM in base64, as `-data` fields have it."""
    return base64.b64encode(f"-----BEGIN CERTIFICATE-----\n{words}\n-----END CERTIFICATE-----\n".encode()).decode()


def kubeconfig(
    user: dict[str, Any] | None = None, cluster: dict[str, Any] | None = None, *, current: str = "c0", **extra: Any
) -> str:
    """One with the context c0, and one for another cluster next to it."""
    whole = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": current,
        "contexts": [
            {"name": "c0", "context": {"cluster": "one", "user": "admin", "namespace": "default"}},
            {"name": "other", "context": {"cluster": "two", "user": "dev"}},
        ],
        "clusters": [
            {"name": "one", "cluster": {"server": SERVER} if cluster is None else cluster},
            {"name": "two", "cluster": {"server": "https://198.51.100.7"}},
        ],
        "users": [
            {"name": "admin", "user": {"token": CANARY} if user is None else user},
            {"name": "dev", "user": {"exec": {"command": "aws"}}},
        ],
        **extra,
    }
    return json.dumps(whole)
