"""The rights that we hand out as an example are those that driving a cluster takes."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from egress_server.targets.kubernetes.api.kinds import DAEMON_SET, DEPLOYMENT, STATEFUL_SET
from egress_server.targets.kubernetes.factory import Right, needed

EXAMPLE = Path("examples/kubernetes-rights.yaml")
RESTARTING = [Right(verb, kind) for kind in (DEPLOYMENT, STATEFUL_SET, DAEMON_SET) for verb in ("get", "patch")]


def granted() -> dict[str, list[dict[str, Any]]]:
    """The rules by namespace; those of the whole cluster under an empty one."""
    objects = list(yaml.safe_load_all(EXAMPLE.read_text()))
    roles = [obj for obj in objects if obj["kind"] in ("Role", "ClusterRole")]
    bound = {(obj["roleRef"]["kind"], obj["roleRef"]["name"]) for obj in objects if obj["kind"].endswith("Binding")}
    assert {(role["kind"], role["metadata"]["name"]) for role in roles} == bound
    return {role["metadata"].get("namespace", ""): role["rules"] for role in roles}


@pytest.mark.parametrize("right", [*needed("istio-system"), *RESTARTING], ids=str)
def test_every_right_is_granted(right: Right) -> None:
    """Of those that are checked when a cluster is opened, and of a restart."""
    rules = granted()
    for rule in rules[""] + rules[right.namespace]:
        if (
            right.kind.group in rule["apiGroups"]
            and right.kind.plural in rule["resources"]
            and right.verb in rule["verbs"]
        ):
            return
    pytest.fail(f"{right} is not granted")
