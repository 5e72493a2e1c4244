"""Files of a directory cluster are read by Kubernetes as they were meant, whatever strings the objects contain."""

import json

from egress_server.formats.strict_yaml import dump
from tests.mesh.harness.cluster.istio_objects import entry
from tests.mesh.harness.cluster.mesh import Mesh

WORDS = (
    *"yYnN",
    *("yes", "off", "null", "0o7", "-0o7", "0x1f", "0b1", "010", "1e3", "1_000", "1:20", "2001-01-01", ".inf"),
)


def test_strings_stay_strings(mesh: Mesh) -> None:
    """As values of annotations; `y` and `n` also as keys, and as names of ports."""
    words = {f"example.com/word-{number}": word for number, word in enumerate(WORDS)}
    written = entry("a", "a.example.com", "80:HTTP", at="203.0.113.7")
    written["metadata"] |= {"annotations": words, "labels": {"y": "n", "N": "0o7"}}
    written["spec"]["ports"][0]["name"] = "n"
    written["spec"]["endpoints"][0] |= {"ports": {"n": 8080}, "labels": {"canary": "y"}}
    read = json.loads(mesh.kubectl("create", "--dry-run=server", "-o", "json", "-f", "-", stdin=dump(written)))
    assert read["spec"] == written["spec"]
    assert (read["metadata"]["annotations"], read["metadata"]["labels"]) == (words, {"y": "n", "N": "0o7"})
