"""Interception in pod templates, where no admission policy can set it: written when somebody has a workload restarted,
and given back the same way.

A changed template restarts its pods, and that is not ours to decide. So what is wanted stands in the cluster's memory
of us (state.py) until then.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from egress_server.targets.kubernetes.api.client import ApiClient, Object
from egress_server.targets.kubernetes.api.errors import ApiError
from egress_server.targets.kubernetes.api.kinds import DAEMON_SET, DEPLOYMENT, STATEFUL_SET, ApiKind
from egress_server.targets.kubernetes.interception.pods import VALUE_OF
from egress_server.targets.kubernetes.interception.scoped_rules import ScopedRules

TEMPLATED = {kind.name: kind for kind in (DEPLOYMENT, STATEFUL_SET, DAEMON_SET)}
"""The kinds that make pods of a template, and new ones when it changes."""
BEFORE = "egress.mesh/interception-before"
"""On a template: what we wrote there, and what was there before, as JSON; null stands for nothing."""

Annotations = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class PodTemplate:
    """What a workload's template puts on its pods."""

    annotations: Annotations
    labels: Mapping[str, str]

    @classmethod
    def of(cls, workload: Object) -> "PodTemplate":
        """Of a Deployment, StatefulSet or DaemonSet."""
        metadata = workload["spec"]["template"].get("metadata", {})
        return cls(metadata.get("annotations") or {}, metadata.get("labels") or {})


def own_annotations(annotations: Annotations) -> dict[str, str]:
    """What the template says of interception by itself, without what we wrote."""
    whole = {**annotations, **_given_back(annotations)}
    return {name: value for name, value in whole.items() if name in VALUE_OF and value is not None}


def change_of(annotations: Annotations, rules: ScopedRules | None) -> dict[str, str | None]:
    """What to merge into the annotations, so that new pods get the rules, or without rules what the template itself
    says. What somebody has written there since we did is theirs."""
    if rules is None:
        return {**_given_back(annotations), BEFORE: None} if BEFORE in annotations else {}
    own = own_annotations(annotations)
    ours = {name: rules.values[value] for name, value in VALUE_OF.items()}
    before = {"ours": ours, "was": {name: own.get(name) for name in VALUE_OF}}
    return {**ours, BEFORE: orjson.dumps(before, option=orjson.OPT_SORT_KEYS).decode()}


async def give_back_templates(client: ApiClient) -> None:
    """Takes all that we wrote out of the templates of the cluster; their pods are made anew by that. Raises Refusal,
    TransientError, PermanentError."""
    for kind in TEMPLATED.values():
        async for page in client.pages(kind):
            for workload in page.items:
                if change := change_of(PodTemplate.of(workload).annotations, None):
                    await _merge_if_there(client, kind, workload, change)


async def merge(client: ApiClient, kind: ApiKind, workload: Object, annotations: Mapping[str, str | None]) -> Object:
    """Merges annotations into the template, by the version that was looked at. What the workload became."""
    metadata = workload["metadata"]
    change: dict[str, Any] = {"metadata": {"resourceVersion": metadata["resourceVersion"]}}
    change["spec"] = {"template": {"metadata": {"annotations": dict(annotations)}}}
    return await client.merge(kind, metadata["namespace"], metadata["name"], change)


async def _merge_if_there(client: ApiClient, kind: ApiKind, workload: Object, change: Mapping[str, str | None]) -> None:
    try:
        await merge(client, kind, workload, change)
    except ApiError as refusal:
        if not refusal.missing:
            raise


def _given_back(annotations: Annotations) -> dict[str, str | None]:
    """What was there before us, of what is still as we wrote it."""
    try:
        before = orjson.loads(annotations.get(BEFORE, '{"ours": {}}'))
        ours: dict[str, str] = before["ours"]
        return {name: before["was"][name] for name, value in ours.items() if annotations.get(name) == value}
    except (ValueError, KeyError, TypeError, AttributeError):
        return {}  # somebody has damaged it: then what stands there is theirs
