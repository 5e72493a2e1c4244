"""Another client, which writes unmanaged objects while mesh-egress writes managed ones."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from tests.mesh.harness.cluster.api import Object
from tests.mesh.harness.cluster.mesh import Mesh

ENTRIES = "/apis/networking.istio.io/v1/namespaces/default/serviceentries"
ADDRESS = "198.51.100.77"
_WRITE_EVERY_SECONDS = 0.02


def foreign_entry(name: str, host: str) -> Object:
    """An unmanaged entry."""
    spec = {
        "hosts": [host],
        "ports": [{"number": 80, "name": "http", "protocol": "HTTP"}],
        "resolution": "STATIC",
        "location": "MESH_EXTERNAL",
        "endpoints": [{"address": ADDRESS}],
    }
    metadata = {"name": name, "namespace": "default"}
    return {"apiVersion": "networking.istio.io/v1", "kind": "ServiceEntry", "metadata": metadata, "spec": spec}


@contextmanager
def foreign_writes(mesh: Mesh) -> Iterator[None]:
    """Another client changes an unmanaged entry all the time, which keeps istiod waiting for a pause."""
    stop = threading.Event()

    def write() -> None:
        with mesh.api() as api:
            api.post(f"{ENTRIES}?fieldManager=busy-client", foreign_entry("busy", "busy.example.com"))
            number = 0
            while not stop.wait(_WRITE_EVERY_SECONDS):
                number += 1
                hosts = {"spec": {"hosts": [f"busy-{number}.example.com"]}}
                api.patch(f"{ENTRIES}/busy?fieldManager=busy-client", hosts)
            api.delete(f"{ENTRIES}/busy")

    writer = threading.Thread(target=write)
    writer.start()
    try:
        yield
    finally:
        stop.set()
        writer.join()
