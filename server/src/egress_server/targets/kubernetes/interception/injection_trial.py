"""Whether istiod takes other values for new pods: asked before they are written, and looked at afterwards.

First a place is found where new pods get just what the values say now: only there a difference later is one that we
made. Then a pod asks for the new values by annotations, which istiod checks; so a bad value is refused before anybody
is touched by it. Once the values are written a pod without annotations must get them. Where nobody can be asked (no
webhook that reaches istiod, no right to make pods) that says nothing about the values, and they are written all the
same: their form has been checked already.
"""

import asyncio
import contextlib
from collections.abc import Mapping
from itertools import islice

import structlog

from egress_server.domain.errors import TransientError
from egress_server.domain.intercept import Rules, read_rules
from egress_server.targets.kubernetes.api.answers import Refusal
from egress_server.targets.kubernetes.api.client import Client, Object
from egress_server.targets.kubernetes.api.kinds import INJECTION_WEBHOOK, NAMESPACE, POD
from egress_server.targets.kubernetes.interception.trial_pod import Place, is_denial, places, rules_of, trial_pod

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

    def __init__(self, client: Client, place: Place | None) -> None:
        self._client = client
        self._place = place

    @classmethod
    async def begin(cls, client: Client, revision: str, now: Mapping[str, str]) -> "InjectionTrial":
        """Finds the place where new pods get the values of `now`."""
        try:
            async with asyncio.timeout(_SEARCH_SECONDS):
                place = await cls(client, None)._find(revision, read_rules(now))
            why = "" if place else "there is no namespace where new pods get the injector's values"
        except TimeoutError:
            place, why = None, "the injector does not answer in time"
        except (Refusal, TransientError, KeyError, ValueError) as error:
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
        except Refusal as refusal:
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
