"""Our record on a cluster."""

from typing import Any

import pytest

from egress_server.domain.model.errors import PermanentError
from egress_server.domain.model.objects import istio_object, key_of
from egress_server.ports.target import Witness
from egress_server.targets.kubernetes.informer.objects import cached_object
from egress_server.targets.kubernetes.last_applied import (
    LastApplied,
    SavedFields,
    last_applied_key,
    last_applied_object,
    object_key,
    object_name,
    read_last_applied,
)

DEFERRED = istio_object("Interception", "shop", "egress-shop", "meshes/default/interceptions/shop", {"a": "b"})
SAVED = SavedFields("meshes/default/outboundPolicies/all", {"a": {"b": [1.5]}}, {"was": None}, forced=True)


def config_map(data: Any) -> Any:
    """The ConfigMap as the API server returns it."""
    made = last_applied_object("istio-system", LastApplied())
    metadata = {**made["metadata"], "uid": "u", "resourceVersion": "1"}
    return cached_object("ConfigMap", {**made, "metadata": metadata, "data": data})


@pytest.mark.parametrize(
    "state",
    [
        LastApplied(),
        LastApplied(Witness("e", 7, "d", 3)),
        LastApplied(Witness("e", 7, "d", 3), {object_key("Sidecar/shop/default"): SAVED}),
        LastApplied(deferred={key_of(DEFERRED): DEFERRED}),
    ],
)
def test_it_is_read_as_it_was_written(state: LastApplied) -> None:
    """All parts of it."""
    assert read_last_applied(config_map(last_applied_object("istio-system", state)["data"])) == state


def test_a_cluster_that_was_never_managed_has_none() -> None:
    """Which is not an error."""
    assert read_last_applied(None) == LastApplied()


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
def test_a_damaged_record_is_an_error(data: dict[str, str]) -> None:
    """Ignoring it would lose the previous values."""
    with pytest.raises(PermanentError) as raised:
        read_last_applied(config_map(data))
    assert raised.value.reason == "STATE_UNREADABLE"
    assert "ConfigMap/istio-system/egress-state" in raised.value.message


def test_objects_have_names() -> None:
    """Those that `egressctl cluster adopt` takes."""
    key = object_key("VirtualService/shop/a.b")
    assert (key.kind, key.namespace, key.name) == ("VirtualService", "shop", "a.b")
    assert object_name(key) == "VirtualService/shop/a.b"
    assert object_name(last_applied_key("root")) == "ConfigMap/root/egress-state"
