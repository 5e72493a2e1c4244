"""How istiod merges the rule of a root VirtualService with those of the delegate that it names (MergeHTTPRoutes in
Istio's virtualservice.go)."""

from collections.abc import Iterable
from dataclasses import replace

from egress_server.domain.istio.virtual_service import HttpRule, NamedMatch, RequestMatch
from egress_server.domain.model.resources import MatchKind, StringMatch


def merge_delegate(root: HttpRule, rules: Iterable[HttpRule]) -> tuple[HttpRule, ...]:
    """The delegate's rules, each with the conditions and the fault of `root`; those that contradict it are left out."""
    merged = []
    for rule in rules:
        match = _matches(root.match, rule.match)
        if match is None:
            continue
        has_fault = bool(rule.delay or rule.abort)
        merged.append(
            replace(
                rule,
                name=f"{root.name}-{rule.name}" if root.name and rule.name else rule.name or root.name,
                match=match,
                answers=rule.answers or (root.answers if root.answers == "directResponse" else ""),
                status=rule.status or root.status,
                delay=rule.delay if has_fault else root.delay,
                abort=rule.abort if has_fault else root.abort,
            )
        )
    return tuple(merged)


def _matches(root: tuple[RequestMatch, ...], own: tuple[RequestMatch, ...]) -> tuple[RequestMatch, ...] | None:
    """The merged alternatives; None if one of the delegate's contradicts all of the root's."""
    if not root or not own:
        return root or own
    merged: list[RequestMatch] = []
    for match in own:
        found = [_both(each, match) for each in root if not _contradict(each, match)]
        if not found:
            return None
        merged += found
    return tuple(merged)


def _both(root: RequestMatch, own: RequestMatch) -> RequestMatch:
    return replace(
        own,
        uri=own.uri or root.uri,
        scheme=own.scheme or root.scheme,
        method=own.method or root.method,
        authority=own.authority or root.authority,
        headers=_named(root.headers, own.headers),
        without_headers=_named(root.without_headers, own.without_headers),
        query_params=_named(root.query_params, own.query_params),
        port=own.port or root.port,
        source_labels={**root.source_labels, **own.source_labels},
        source_namespace=own.source_namespace or root.source_namespace,
        gateways=own.gateways or root.gateways,
    )


def _named(root: tuple[NamedMatch, ...], own: tuple[NamedMatch, ...]) -> tuple[NamedMatch, ...]:
    return tuple({each.name: each for each in (*root, *own)}.values())


def _contradict(root: RequestMatch, own: RequestMatch) -> bool:
    pairs = [
        (root.uri, own.uri),
        (root.scheme, own.scheme),
        (root.method, own.method),
        (root.authority, own.authority),
        *_common(root.headers, own.headers),
        *_common(root.without_headers, own.without_headers),
        *_common(root.query_params, own.query_params),
    ]
    labels = root.source_labels
    return (
        any(a is not None and b is not None and not _includes(a, b) for a, b in pairs)
        or root.ignore_uri_case != own.ignore_uri_case
        or bool(root.port and own.port and root.port != own.port)
        or bool(root.source_namespace and own.source_namespace != root.source_namespace)
        or any(labels.get(key, value) != value for key, value in own.source_labels.items())
        or bool(root.gateways and own.gateways and not set(own.gateways) <= set(root.gateways))
    )


def _common(
    root: tuple[NamedMatch, ...], own: tuple[NamedMatch, ...]
) -> list[tuple[StringMatch | None, StringMatch | None]]:
    by_name = {each.name: each.match for each in root}
    return [(by_name.get(each.name), each.match) for each in own]


def _includes(root: StringMatch, own: StringMatch) -> bool:
    """Whether istiod sees that all texts that satisfy `own` satisfy `root`."""
    if root.kind is MatchKind.EXACT:
        return own == root
    if root.kind is MatchKind.PREFIX:
        return own.kind in {MatchKind.PREFIX, MatchKind.EXACT} and own.value.startswith(root.value)
    return False
