"""Whether istiod accepts other values for new pods: a dry-run pod tries them before they are written, another one
confirms them afterwards."""

import asyncio
import contextlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

import structlog

from egress_server.domain.model.errors import TransientError
from egress_server.domain.simulate.interception import CaptureRules, parse_rules
from egress_server.targets.kubernetes.api.client import ApiClient, Object
from egress_server.targets.kubernetes.api.errors import ApiError
from egress_server.targets.kubernetes.api.kinds import INJECTION_WEBHOOK, NAMESPACE, POD
from egress_server.targets.kubernetes.interception.pods import VALUE_BY_ANNOTATION, read_pod
from egress_server.targets.kubernetes.label_selector import Labels, selects

WEBHOOK = "sidecar-injector.istio.io"
"""Suffix of the names of the injector's webhooks, whatever the revision."""
_DENIED = "denied the request"
_SYSTEM = frozenset({"kube-system", "kube-public", "kube-node-lease", "local-path-storage"})
"""Namespaces that istiod itself skips."""


@dataclass(frozen=True, slots=True)
class InjectionSite:
    """A namespace, and the labels that a new pod there needs to be injected."""

    namespace: str
    labels: Labels


def injection_sites(
    configurations: Iterable[Object], revision: str, namespaces: Mapping[str, Labels]
) -> Iterator[InjectionSite]:
    """Where the webhooks of a revision inject pods; namespaces in which every pod is injected first."""
    webhooks = [
        webhook
        for configuration in configurations
        if (configuration["metadata"].get("labels") or {}).get("istio.io/rev") == (revision or "default")
        for webhook in configuration.get("webhooks") or ()
        if webhook["name"].endswith(WEBHOOK)
    ]
    found: dict[str, InjectionSite] = {}
    for webhook in webhooks:
        wanted = _smallest_labels(webhook.get("objectSelector") or {})
        for name in sorted(namespaces.keys() - _SYSTEM):
            labels = {"kubernetes.io/metadata.name": name, **namespaces[name]}
            if wanted is not None and selects(webhook.get("namespaceSelector") or {}, labels):
                found.setdefault(name, InjectionSite(name, wanted))
    yield from sorted(found.values(), key=lambda site: (len(site.labels), site.namespace))


def dry_run_pod(site: InjectionSite, values: Mapping[str, str] | None = None) -> Object:
    """The pod. With `values`, as annotations: istiod validates those, but not the same values in its own ConfigMap."""
    annotations = {} if values is None else {name: values[value] for name, value in VALUE_BY_ANNOTATION.items()}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": "egress-dry-run",
            "namespace": site.namespace,
            "labels": dict(site.labels),
            "annotations": annotations,
        },
        "spec": {"serviceAccountName": "default", "containers": [{"name": "dry-run", "image": "dry-run"}]},
    }


def rules_of(injected: Object) -> CaptureRules | None:
    """The rules that the pod would have run with; None if it was not injected."""
    pod = read_pod(injected)
    return pod.rules if pod else None


def is_denial(message: str) -> bool:
    """Whether the injector itself denied the pod, not another webhook or a failure to call it."""
    return WEBHOOK in message and _DENIED in message


def _smallest_labels(selector: Mapping[str, Any]) -> Labels | None:
    """The smallest set of labels that is selected; None if that is not obvious."""
    labels: dict[str, str] = dict(selector.get("matchLabels") or {})
    for term in selector.get("matchExpressions") or ():
        if term["operator"] == "In":
            labels.setdefault(term["key"], term["values"][0])
        elif term["operator"] == "Exists":
            labels.setdefault(term["key"], "")
    return labels if selects(selector, labels) else None


_log = structlog.get_logger(__name__)

_MAX_SITES = 4
"""How many namespaces are tried."""
_SEARCH_SECONDS = 5.0
_CONFIRM_SECONDS = 20.0
"""istiod uses new values within 0.1 s; on a busy machine it was seen to take more than 5 s."""
_PAUSE_SECONDS = 0.05


class InjectionDenied(Exception):
    """New pods would not get the values; the message is human-readable."""


class InjectionDryRun:
    """Dry runs with the injector of one revision. If there is no `site`, nothing can be checked and everything
    passes."""

    def __init__(self, client: ApiClient, site: InjectionSite | None) -> None:
        self._client = client
        self._site = site

    @classmethod
    async def begin(cls, client: ApiClient, revision: str, now: Mapping[str, str]) -> "InjectionDryRun":
        """Finds a site where new pods get the values of `now`."""
        try:
            async with asyncio.timeout(_SEARCH_SECONDS):
                site = await cls(client, None)._find(revision, parse_rules(now))
            reason = "" if site else "in no namespace do new pods get the injector's values"
        except TimeoutError:
            site, reason = None, "the injector did not respond in time"
        except (ApiError, TransientError, KeyError, ValueError) as error:
            site, reason = None, str(error)
        if site is None:
            _log.warning("injection_dry_run_skipped", url=client.url, reason=reason)
        return cls(client, site)

    async def check(self, values: Mapping[str, str]) -> None:
        """Lets istiod validate values that are not written yet. Raises InjectionDenied."""
        if self._site is not None:
            await self._create(dry_run_pod(self._site, values))

    async def confirm(self, values: Mapping[str, str]) -> None:
        """Returns once new pods get the values. Raises InjectionDenied if they don't."""
        if self._site is None:
            return
        wanted = parse_rules(values)
        injected: Object | None = None
        try:
            async with asyncio.timeout(_CONFIRM_SECONDS):
                while True:
                    injected = await self._create(dry_run_pod(self._site))
                    if injected is not None and rules_of(injected) == wanted:
                        return
                    await asyncio.sleep(_PAUSE_SECONDS)
        except TimeoutError:
            if injected is None:
                _log.warning(
                    "injection_not_confirmed", url=self._client.url, reason="the injector can no longer be reached"
                )
                return
            actual = rules_of(injected)
            raise InjectionDenied(
                f"a new pod in {self._site.namespace} {_describe(actual)} after {_CONFIRM_SECONDS:g} s"
            ) from None

    async def _find(self, revision: str, rules: CaptureRules) -> InjectionSite | None:
        webhooks = await self._client.list(INJECTION_WEBHOOK)
        listed = await self._client.list(NAMESPACE)
        namespaces = {item["metadata"]["name"]: item["metadata"].get("labels") or {} for item in listed.items}
        for site in islice(injection_sites(webhooks.items, revision, namespaces), _MAX_SITES):
            with contextlib.suppress(InjectionDenied):
                injected = await self._create(dry_run_pod(site))
                if injected is not None and rules_of(injected) == rules:
                    return site
        return None

    async def _create(self, pod: Object) -> Object | None:
        """The pod as it would be stored; None if that can't be found out. Raises InjectionDenied if the injector denies
        it."""
        try:
            return await self._client.create(POD, pod, dry_run=True)
        except ApiError as error:
            if is_denial(error.message):
                raise InjectionDenied(error.message) from error
            reason = error.message
        except TransientError as error:
            reason = error.message
        _log.info("dry_run_failed", url=self._client.url, namespace=pod["metadata"]["namespace"], reason=reason)
        return None


def _describe(rules: CaptureRules | None) -> str:
    if rules is None:
        return "is not captured"
    return f"still includes {','.join(rules.include) or 'nothing'} and excludes {','.join(rules.exclude) or 'nothing'}"
