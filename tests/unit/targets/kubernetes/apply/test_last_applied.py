"""What a cluster remembers of us."""

from typing import Any

import pytest

from egress_server.domain.model.errors import PermanentError
from egress_server.domain.model.objects import istio_object, key_of
from egress_server.ports.target import Witness
from egress_server.targets.kubernetes.informer.objects import cached_object
from egress_server.targets.kubernetes.last_applied import (
    LastApplied,
    SavedFields,
    key_of_object,
    name_of_object,
    read_state,
    state_key,
    state_object,
)

DEFERRED = istio_object("Interception", "shop", "egress-shop", "meshes/default/interceptions/shop", {"a": "b"})
HELD = SavedFields("meshes/default/outboundPolicies/all", {"a": {"b": [1.5]}}, {"was": None}, forced=True)


def config_map(data: Any) -> Any:
    """The ConfigMap, as it comes from the API server."""
    made = state_object("istio-system", LastApplied())
    metadata = {**made["metadata"], "uid": "u", "resourceVersion": "1"}
    return cached_object("ConfigMap", {**made, "metadata": metadata, "data": data})


@pytest.mark.parametrize(
    "state",
    [
        LastApplied(),
        LastApplied(Witness("e", 7, "d", 3)),
        LastApplied(Witness("e", 7, "d", 3), {key_of_object("Sidecar/shop/default"): HELD}),
        LastApplied(deferred={key_of(DEFERRED): DEFERRED}),
    ],
)
def test_it_is_read_as_it_was_kept(state: LastApplied) -> None:
    """Every part of it."""
    assert read_state(config_map(state_object("istio-system", state)["data"])) == state


def test_a_cluster_that_was_never_driven_has_none() -> None:
    """That is no error."""
    assert read_state(None) == LastApplied()


@pytest.mark.parametrize(
    "data",
    [
        {"witness": "{"},
        {"witness": "{}"},
        {"witness": "[1]"},
        {"previous": '{"x": {}}'},
        {"previous": "[]"},
        {"previous": "7"},
        {"deferred": "{}}"},
        {"deferred": "[{}]"},
        {"deferred": "7"},
    ],
)
def test_a_damaged_memory_is_an_error(data: dict[str, str]) -> None:
    """To go on without it would lose what has to be put back."""
    with pytest.raises(PermanentError) as raised:
        read_state(config_map(data))
    assert raised.value.reason == "STATE_UNREADABLE"
    assert "ConfigMap/istio-system/egress-state" in raised.value.message


def test_objects_have_names() -> None:
    """As they are adopted by."""
    key = key_of_object("VirtualService/shop/a.b")
    assert (key.kind, key.namespace, key.name) == ("VirtualService", "shop", "a.b")
    assert name_of_object(key) == "VirtualService/shop/a.b"
    assert name_of_object(state_key("root")) == "ConfigMap/root/egress-state"
