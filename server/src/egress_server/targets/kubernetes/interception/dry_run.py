"""Whether istiod accepts other values for new pods: tried on a dry-run pod before writing, checked afterwards."""

import asyncio
import contextlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import structlog

from egress_server.domain.model.errors import TransientError
from egress_server.domain.simulate.interception import Rules, read_rules
from egress_server.targets.kubernetes.api.client import ApiClient, Object
from egress_server.targets.kubernetes.api.errors import ApiError
from egress_server.targets.kubernetes.api.kinds import INJECTION_WEBHOOK, NAMESPACE, POD
from egress_server.targets.kubernetes.interception.pods import VALUE_OF, read_pod

Labels = Mapping[str, str]

WEBHOOK = "sidecar-injector.istio.io"
"""How the names of the injector's webhooks end, whatever the revision."""
_DENIED = "denied the request"
_SYSTEM = frozenset({"kube-system", "kube-public", "kube-node-lease", "local-path-storage"})
"""Namespaces that istiod itself leaves out."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a new pod with these labels is injected."""

    namespace: str
    labels: Labels


def places(configurations: Iterable[Object], revision: str, namespaces: Mapping[str, Labels]) -> Iterator[Place]:
    """Where the webhooks of a revision want pods; the namespaces that ask for it themselves first."""
    webhooks = [
        webhook
        for configuration in configurations
        if (configuration["metadata"].get("labels") or {}).get("istio.io/rev") == (revision or "default")
        for webhook in configuration.get("webhooks") or ()
        if webhook["name"].endswith(WEBHOOK)
    ]
    found: dict[str, Place] = {}
    for webhook in webhooks:
        wanted = _least(webhook.get("objectSelector") or {})
        for name in sorted(namespaces.keys() - _SYSTEM):
            labels = {"kubernetes.io/metadata.name": name, **namespaces[name]}
            if wanted is not None and _selects(webhook.get("namespaceSelector") or {}, labels):
                found.setdefault(name, Place(name, wanted))
    yield from sorted(found.values(), key=lambda place: (len(place.labels), place.namespace))


def trial_pod(place: Place, values: Mapping[str, str] | None = None) -> Object:
    """The pod; with `values`, as annotations, which istiod checks, unlike the same values in the injector's own."""
    annotations = {} if values is None else {name: values[value] for name, value in VALUE_OF.items()}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": "egress-trial",
            "namespace": place.namespace,
            "labels": dict(place.labels),
            "annotations": annotations,
        },
        "spec": {"serviceAccountName": "default", "containers": [{"name": "trial", "image": "trial"}]},
    }


def rules_of(injected: Object) -> Rules | None:
    """The rules that the pod would have run with; None where it was not injected."""
    pod = read_pod(injected)
    return pod.rules if pod else None


def is_denial(message: str) -> bool:
    """Whether it is the injector that does not want a pod, and not somebody else, or nobody at all."""
    return WEBHOOK in message and _DENIED in message


def _least(selector: Mapping[str, Any]) -> Labels | None:
    """The fewest labels that are selected; None where that takes more than a look."""
    labels: dict[str, str] = dict(selector.get("matchLabels") or {})
    for term in selector.get("matchExpressions") or ():
        if term["operator"] == "In":
            labels.setdefault(term["key"], term["values"][0])
        elif term["operator"] == "Exists":
            labels.setdefault(term["key"], "")
    return labels if _selects(selector, labels) else None


def _selects(selector: Mapping[str, Any], labels: Labels) -> bool:
    terms: Sequence[Mapping[str, Any]] = selector.get("matchExpressions") or ()
    matched: Labels = selector.get("matchLabels") or {}
    return matched.items() <= labels.items() and all(_holds(term, labels) for term in terms)


def _holds(term: Mapping[str, Any], labels: Labels) -> bool:
    there, value = term["key"] in labels, labels.get(term["key"])
    return {
        "In": there and value in term.get("values", ()),
        "NotIn": not there or value not in term.get("values", ()),
        "Exists": there,
        "DoesNotExist": not there,
    }[term["operator"]]


_log = structlog.get_logger(__name__)

_PLACES = 4
"""So many namespaces are tried."""
_SEARCH_SECONDS = 5.0
_TAKEN_SECONDS = 5.0
"""istiod takes new values within 0.1 s."""
_PAUSE_SECONDS = 0.05


class Denied(Exception):
    """New pods would not get the values; the message is for people."""


class InjectionTrial:
    """Of the injector of one revision. Where `place` is None nobody can be asked, and all is well."""

    def __init__(self, client: ApiClient, place: Place | None) -> None:
        self._client = client
        self._place = place

    @classmethod
    async def begin(cls, client: ApiClient, revision: str, now: Mapping[str, str]) -> "InjectionTrial":
        """Finds the place where new pods get the values of `now`."""
        try:
            async with asyncio.timeout(_SEARCH_SECONDS):
                place = await cls(client, None)._find(revision, read_rules(now))
            why = "" if place else "there is no namespace where new pods get the injector's values"
        except TimeoutError:
            place, why = None, "the injector does not answer in time"
        except (ApiError, TransientError, KeyError, ValueError) as error:
            place, why = None, str(error)
        if place is None:
            _log.warning("injection_not_tried", url=client.url, why=why)
        return cls(client, place)

    async def ask(self, values: Mapping[str, str]) -> None:
        """Has istiod check values that are not written yet. Raises Denied."""
        if self._place is not None:
            await self._make(trial_pod(self._place, values))

    async def confirm(self, values: Mapping[str, str]) -> None:
        """Returns when new pods get the values. Raises Denied where they do not."""
        if self._place is None:
            return
        wanted = read_rules(values)
        injected: Object | None = None
        try:
            async with asyncio.timeout(_TAKEN_SECONDS):
                while True:
                    injected = await self._make(trial_pod(self._place))
                    if injected is not None and rules_of(injected) == wanted:
                        return
                    await asyncio.sleep(_PAUSE_SECONDS)
        except TimeoutError:
            if injected is None:
                _log.warning(
                    "injection_not_confirmed", url=self._client.url, why="the injector can't be asked any more"
                )
                return
            got = rules_of(injected)
            raise Denied(f"a new pod in {self._place.namespace} {_told(got)} after {_TAKEN_SECONDS:g} s") from None

    async def _find(self, revision: str, rules: Rules) -> Place | None:
        webhooks = await self._client.list(INJECTION_WEBHOOK)
        spaces = await self._client.list(NAMESPACE)
        namespaces = {item["metadata"]["name"]: item["metadata"].get("labels") or {} for item in spaces.items}
        for place in islice(places(webhooks.items, revision, namespaces), _PLACES):
            with contextlib.suppress(Denied):
                injected = await self._make(trial_pod(place))
                if injected is not None and rules_of(injected) == rules:
                    return place
        return None

    async def _make(self, pod: Object) -> Object | None:
        """What would have become of a pod; None where nobody tells. Raises Denied where the injector does not want
        it."""
        try:
            return await self._client.create(POD, pod, dry_run=True)
        except ApiError as refusal:
            if is_denial(refusal.message):
                raise Denied(refusal.message) from refusal
            why = refusal.message
        except TransientError as error:
            why = error.message
        _log.info("no_pod_for_trial", url=self._client.url, namespace=pod["metadata"]["namespace"], why=why)
        return None


def _told(rules: Rules | None) -> str:
    if rules is None:
        return "is not captured at all"
    return f"still includes {','.join(rules.include) or 'nothing'} and excludes {','.join(rules.exclude) or 'nothing'}"
