"""Random choices, and the small pools that they come from: small, so that objects collide."""

from collections.abc import Sequence
from random import Random
from typing import Any, TypeVar

from tests.truth.cluster.cluster import NAMESPACES, ROOT
from tests.truth.cluster.etcd import Object
from tests.truth.world import ALIYUN, API, DB, NATURAL, ORG, WILD, Foreign

T = TypeVar("T")

HOSTS = (ALIYUN, ALIYUN, ALIYUN, API, API, DB, ORG, WILD)
WILDCARDS = ("*.example.com", "*.wild.example", "*.aliyun.com", "*.example.org")
ADDRESSES = (*NATURAL.values(), "203.0.113.40", "198.51.100.0/24", "203.0.113.0/28", "203.0.113.40/32", "2001:db8::10")
ENDPOINTS = ("203.0.113.50", "203.0.113.51", "198.51.100.60", "2001:db8::51")
SERVICES = ("web", "cache", "gone")
PORTS = (80, 80, 443, 443, 8080, 3306, 8443, 27017)
LABELS = ({"app": "one"}, {"app": "two", "tier": "back"}, {"app": "two"})
SUBSETS = ("v1", "v2")
_ISTIO = "networking.istio.io/v1"
_LATEST = 30


class Draw:
    """Draws from a source of random numbers, and numbers what it names."""

    def __init__(self, source: Random) -> None:
        self._source = source
        self._numbers = 0
        self._fresh: list[str] = []

    def chance(self, probability: float) -> bool:
        """Whether something happens that has this probability."""
        return self._source.random() < probability

    def one(self, pool: Sequence[T]) -> T:
        """One of a pool."""
        return self._source.choice(pool)

    def some(self, pool: Sequence[T], least: int, most: int) -> list[T]:
        """Several different ones of a pool, in a random order."""
        different = list(dict.fromkeys(pool))
        return self._source.sample(different, min(len(different), self._source.randint(least, most)))

    def count(self, least: int, most: int) -> int:
        """A number from `least` to `most`."""
        return self._source.randint(least, most)

    def name(self, prefix: str) -> str:
        """A name that is new, whose order is not that of age."""
        self._numbers += 1
        return f"{self.one('abcxyz')}{prefix}{self._numbers}"

    def at(self) -> int:
        """When something is created. Seconds are few, so that some things are equally old."""
        return self.one((1, 2, 3, 10, 11, 12, 12, 20, 25, _LATEST))

    def namespace(self, *, root: float = 0.1) -> str:
        """A namespace, the root namespace with this probability."""
        return ROOT if self.chance(root) else self.one(NAMESPACES)

    def host(self, *, wild: float = 0.15, service: float = 0.1) -> str:
        """A host, with these probabilities a wildcard or a Service."""
        if self.chance(wild):
            return self.one(WILDCARDS)
        if self.chance(service):
            return f"{self.one(SERVICES)}.{self.one(NAMESPACES)}.svc.cluster.local"
        return self.one(HOSTS)

    def next_host(self) -> str:
        """A host that is not drawn again this way before all others are."""
        if not self._fresh:
            self._fresh = self._source.sample(list(NATURAL), len(NATURAL))
        return self._fresh.pop()

    def export_to(self, *, hidden: bool = True) -> list[str]:
        """The exportTo of a foreign object; mostly empty, which is the default."""
        if self.chance(0.6):
            return []
        if hidden and self.chance(0.1):
            return ["~"]
        return self.one((["*"], ["."], ["default"], ["shop"], [".", "default"], ["team", "shop"]))

    def foreign(self, kind: str, namespace: str, spec: Any, *, labels: dict[str, str] | None = None) -> Foreign:
        """A foreign object, sometimes of another revision of Istio."""
        labels = dict(labels or {})
        if self.chance(0.05):
            labels["istio.io/rev"] = self.one(("canary", "default"))
        meta = {"name": self.name(kind.lower()[:2]), "namespace": namespace, "labels": labels}
        return Foreign({"apiVersion": _ISTIO, "kind": kind, "metadata": meta, "spec": spec}, self.at())


def present(**fields: Any) -> Object:
    """The fields that are not empty."""
    return {name: value for name, value in fields.items() if value or value == 0}
