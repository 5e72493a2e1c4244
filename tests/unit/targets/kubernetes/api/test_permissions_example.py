"""The example RBAC manifest grants what managing a cluster requires."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from egress_server.targets.kubernetes.api.kinds import DAEMON_SET, DEPLOYMENT, STATEFUL_SET
from egress_server.targets.kubernetes.factory import Permission, required_permissions

EXAMPLE = Path("examples/kubernetes-rights.yaml")
RESTARTING = [Permission(verb, kind) for kind in (DEPLOYMENT, STATEFUL_SET, DAEMON_SET) for verb in ("get", "patch")]


def granted() -> dict[str, list[dict[str, Any]]]:
    """The rules by namespace; those for the whole cluster under an empty one."""
    objects = list(yaml.safe_load_all(EXAMPLE.read_text()))
    roles = [obj for obj in objects if obj["kind"] in ("Role", "ClusterRole")]
    bound = {(obj["roleRef"]["kind"], obj["roleRef"]["name"]) for obj in objects if obj["kind"].endswith("Binding")}
    assert {(role["kind"], role["metadata"]["name"]) for role in roles} == bound
    return {role["metadata"].get("namespace", ""): role["rules"] for role in roles}


@pytest.mark.parametrize("permission", [*required_permissions("istio-system"), *RESTARTING], ids=str)
def test_every_permission_is_granted(permission: Permission) -> None:
    """Those that are checked when a cluster is opened, and those for restarts."""
    rules = granted()
    for rule in rules[""] + rules[permission.namespace]:
        if (
            permission.kind.group in rule["apiGroups"]
            and permission.kind.plural in rule["resources"]
            and permission.verb in rule["verbs"]
        ):
            return
    pytest.fail(f"{permission} is not granted")
