"""Clusters as 0.1.0 stored them are read, and are still written the same way."""

import pytest

from egress_server.domain.model.clusters import (
    Cluster,
    DirectoryTarget,
    KubernetesTarget,
    LocalTarget,
    MeshPolicyBackend,
    Orders,
    RestartOrder,
)
from egress_server.store.cluster_record import to_record
from egress_server.store.codec import decode_versioned, encode

NAME = "meshes/m/clusters/c"
# Written by 0.1.0.
STORED = [
    (
        b'{"name":"meshes/m/clusters/c","target":"local","labels":{"env":"prod"},"path":"","service_cidrs":'
        b'["10.96.0.0/12"],"draining":true,"kubernetes":null,"adopted":[],"approved":"","accepted":"","restart":null}',
        Cluster(NAME, LocalTarget(("10.96.0.0/12",)), {"env": "prod"}, draining=True),
    ),
    (
        b'{"name":"meshes/m/clusters/c","target":"directory","labels":{"env":"prod"},"path":"a/b","service_cidrs":'
        b'["10.0.0.0/8"],"draining":false,"kubernetes":null,"adopted":[],"approved":"","accepted":"","restart":null}',
        Cluster(NAME, DirectoryTarget("a/b", ("10.0.0.0/8",)), {"env": "prod"}),
    ),
    (
        b'{"name":"meshes/m/clusters/c","target":"kubernetes","labels":{},"path":"","service_cidrs":[],"draining":'
        b'false,"kubernetes":{"kubeconfig":"","context":"","secret":"","in_cluster":false,"istio_revision":"",'
        b'"root_namespace":"istio-system","mesh_policy":"BOTH"},"adopted":[],"approved":"","accepted":"",'
        b'"restart":null}',
        Cluster(NAME, KubernetesTarget()),
    ),
    (
        b'{"name":"meshes/m/clusters/c","target":"kubernetes","labels":{"env":"prod"},"path":"","service_cidrs":'
        b'["10.96.0.0/12","fd00::/108"],"draining":false,"kubernetes":{"kubeconfig":"sealed","context":"ctx","secret":'
        b'"ns/secret","in_cluster":true,"istio_revision":"canary","root_namespace":"istio","mesh_policy":"SIDECAR"},'
        b'"adopted":["Sidecar/a/b"],"approved":"t1","accepted":"t2","restart":{"id":"r1","workloads":'
        b'["Deployment/a/b"]}}',
        Cluster(
            NAME,
            KubernetesTarget(
                "sealed",
                "ctx",
                "ns/secret",
                True,
                "canary",
                "istio",
                MeshPolicyBackend.SIDECAR,
                ("10.96.0.0/12", "fd00::/108"),
            ),
            {"env": "prod"},
            orders=Orders(("Sidecar/a/b",), "t1", "t2", RestartOrder("r1", ("Deployment/a/b",))),
        ),
    ),
]
each = pytest.mark.parametrize(("data", "cluster"), STORED, ids=["local", "directory", "kubernetes", "every field"])


@each
def test_stored_clusters_are_read(data: bytes, cluster: Cluster) -> None:
    """With their targets and all requests."""
    assert decode_versioned(NAME, b"1 1 1 0 " + data).resource == cluster


@each
def test_clusters_are_stored_as_before(data: bytes, cluster: Cluster) -> None:
    """Byte for byte, so that older processes can read them during an upgrade."""
    assert encode(cluster) == data


def test_defaults() -> None:
    """Fields that a release did not write yet have their defaults."""
    for target, expected in (
        ("local", LocalTarget()),
        ("directory", DirectoryTarget()),
        ("kubernetes", KubernetesTarget()),
    ):
        data = f'1 1 1 0 {{"name":"{NAME}","target":"{target}"}}'.encode()
        assert decode_versioned(NAME, data).resource == Cluster(NAME, expected)


def test_no_kubeconfig_in_a_repr() -> None:
    """Neither a cluster nor its record shows credentials."""
    _, cluster = STORED[-1]
    assert "sealed" not in repr(cluster)
    assert "sealed" not in repr(to_record(cluster))
