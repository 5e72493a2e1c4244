"""Setting a policy that holds for a scope: outbound policies and interceptions differ only in what they say."""

import hashlib
from dataclasses import replace
from typing import Protocol, TypeVar

from egress_server.commands.mutate import Mutation
from egress_server.domain.model.changes import ChangeType
from egress_server.domain.model.names import ResourceKind
from egress_server.domain.model.resources import Interception, OutboundPolicy, Scoped
from egress_server.domain.model.selectors import ClusterSelector, Scope
from egress_server.domain.validate import Problems, check_resource
from egress_server.wire.grammar.names import resource_name
from egress_server.wire.grammar.options import MutatingRequest, set_mutation

_MAX_BASE = 63 - len("-12345678")  # an id is a label
P = TypeVar("P", OutboundPolicy, Interception)


class ScopedRequest(MutatingRequest, Protocol):
    """A request that sets such a policy."""

    parent: str


def scoped_mutation(
    request: ScopedRequest, policy: P, problems: Problems, *, kind: ResourceKind, field: str, own: str, id_: str
) -> Mutation:
    """Sets `policy`, as read from the request's `field`; `own` is the name inside it, `id_` the request's id for it.

    Raises InvalidArgument with all that is wrong in `problems`.
    """
    place = problems.at(field)
    check_resource(policy, place)
    name = resource_name(
        problems,
        kind,
        own=(f"{field}.name", own),
        parent=request.parent,
        id_field=f"{field}_id",
        id_=id_,
        default_id="default" if problems.any else default_id(policy),
    )
    return set_mutation(request, ChangeType.SET, replace(policy, name=str(name)), problems, place)


def default_id(policy: Scoped) -> str:
    """An id made of where the policy holds: setting the same scope and clusters again replaces the same policy."""
    scope, selector = policy.scope, policy.cluster_selector
    if scope == Scope() and selector == ClusterSelector():
        return "default"
    where = (scope.key(), sorted(selector.clusters), sorted(selector.match_labels.items()))
    digest = hashlib.sha256(repr(where).encode()).hexdigest()[:8]
    return f"{(scope.namespace or 'default')[:_MAX_BASE]}-{digest}"
