"""A world: policies next to foreign objects on one cluster, and the questions about it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import yaml

from egress_server.domain.model.resources import Resource
from tests.truth.cluster.etcd import Object

CLUSTER_ID = "c0"
ALIYUN, API, DB, ORG, WILD = "www.aliyun.com", "api.example.com", "db.example.com", "a.example.org", "x.wild.example"
NATURAL = {ALIYUN: "198.51.100.10", API: "203.0.113.10", DB: "203.0.113.11", ORG: "203.0.113.20", WILD: "203.0.113.77"}
"""The address of each host in DNS."""
ALLOCATED = "allocated"
"""As an address: the one that istiod allocates to the host, which is known once the world is shown."""
Place = tuple[str, int, str]
"""A host, a port, and the protocol there: HTTP, TLS, TCP, or empty if unknown."""


@dataclass(frozen=True, slots=True)
class Policy:
    """A managed resource, created `at` so many seconds after the beginning of the world."""

    resource: Resource
    at: int


@dataclass(frozen=True, slots=True)
class Foreign:
    """A foreign object, created `at` so many seconds after the beginning of the world."""

    obj: Object
    at: int

    @property
    def name(self) -> str:
        """KIND/NAMESPACE/NAME."""
        meta = self.obj["metadata"]
        return f"{self.obj['kind']}/{meta['namespace']}/{meta['name']}"


@dataclass(frozen=True, slots=True)
class Question:
    """A connection that a workload makes to `host`, for which it dials `address`."""

    namespace: str
    labels: Mapping[str, str]
    scheme: str
    host: str
    port: int
    address: str
    path: str = "/"
    method: str = "GET"
    headers: Mapping[str, str] = field(default_factory=dict)
    family: str = "IPv4"

    def __str__(self) -> str:
        """As on a command line."""
        labels = ",".join(f"{key}={value}" for key, value in self.labels.items())
        headers = "".join(f" -H {key}:{value}" for key, value in self.headers.items())
        method = "" if self.method == "GET" else f" -X {self.method}"
        path = "" if self.path == "/" else self.path
        return (
            f"{self.scheme}://{self.host}:{self.port}{path} at {self.address}{method}{headers} "
            f"from {self.namespace}/{labels} ({self.family})"
        )


@dataclass(frozen=True, slots=True)
class World:
    """`mesh` are the settings of MeshConfig that other clients made."""

    seed: int
    policies: tuple[Policy, ...] = ()
    objects: tuple[Foreign, ...] = ()
    mesh: Mapping[str, Any] = field(default_factory=dict)
    questions: tuple[Question, ...] = ()

    @property
    def captures_dns(self) -> bool:
        """Whether sidecars answer DNS queries."""
        return "defaultConfig" in self.mesh

    def only(self, question: Question) -> "World":
        """The same world, about which one question is asked."""
        return replace(self, questions=(question,))

    def smaller(self) -> Iterator["World"]:
        """Worlds that lack a part of this one: first half of it, at last one policy, object or setting."""
        parts = [*self.policies, *self.objects, *self.mesh]
        size = max(1, len(parts) // 2)
        while parts and size:
            for start in range(0, len(parts), size):
                kept = [*parts[:start], *parts[start + size :]]
                yield replace(
                    self,
                    policies=tuple(each for each in kept if isinstance(each, Policy)),
                    objects=tuple(each for each in kept if isinstance(each, Foreign)),
                    mesh={each: self.mesh[each] for each in kept if isinstance(each, str)},
                )
            size //= 2

    def __str__(self) -> str:
        """As YAML, with the questions as comments."""
        parts: list[Any] = [{"kind": "MeshConfig", **self.mesh}] if self.mesh else []
        texts = [f"# created at second {each.at}\n{_dump(each.obj)}" for each in self.objects]
        texts += [_dump(part) for part in parts]
        texts += [f"# created at second {each.at}\n# {each.resource}\n" for each in self.policies]
        return "---\n".join(texts)


def _dump(content: Any) -> str:
    return yaml.safe_dump(content, sort_keys=False, default_flow_style=None, width=120)
