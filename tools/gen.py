"""Generates the committed code and the descriptor set from proto/, or checks that they are up to date.

The generator is intentionally older than the runtime and must not be installed with it. It has its own virtual
environment below .cache, created from a hashed lock, and recreated when the lock changes.

    python tools/gen.py            write the files
    python tools/gen.py --check    exit with 1 and a diff if a committed file is out of date
"""

import argparse
import difflib
import hashlib
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet, SourceCodeInfo

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent
PROTO = ROOT / "proto"
THIRD_PARTY = PROTO / "third_party" / "googleapis"
LOCK = ROOT / "tools" / "gen-requirements.lock"
SDK = Path("sdk/src/egress")
CODE = SDK / "v1"
DESCRIPTORS = Path("server/src/egress_server/wire/descriptors.binpb")
PLUGINS = ("mypy", "mypy_grpc")
PACKAGE_DOCSTRING = '"""The contract, generated from proto/egress/v1 by `make gen`. Never edited."""\n'


def generator() -> Path:
    """The bin directory of the generator's virtual environment, which is created if it is missing.

    Raises subprocess.CalledProcessError if packages are not available or a hash differs.
    """
    home = ROOT / ".cache" / "gen" / hashlib.sha256(LOCK.read_bytes()).hexdigest()[:16]
    if not (home / "complete").exists():
        uv = str(BIN / "uv")
        subprocess.run([uv, "venv", "-q", "--clear", "-p", sys.executable, home], check=True)
        python = home / "bin" / "python"
        install = [uv, "pip", "sync", "-q", "-p", str(python), "--require-hashes", str(LOCK)]
        subprocess.run(install, check=True)
        (home / "complete").touch()
    return home / "bin"


def generate(out: Path) -> None:
    """Writes all generated files below `out`, with the layout of the repository."""
    tools = generator()
    code = out / CODE.parent.parent
    descriptors = out / DESCRIPTORS
    code.mkdir(parents=True)
    descriptors.parent.mkdir(parents=True)
    sources = sorted(str(path.relative_to(PROTO)) for path in PROTO.glob("egress/v1/*.proto"))
    if not sources:
        raise SystemExit("gen: proto/egress/v1 has no .proto files")
    subprocess.run(
        [
            *(tools / "python", "-m", "grpc_tools.protoc"),
            *(f"-I{PROTO}", f"-I{THIRD_PARTY}"),
            *(f"--plugin=protoc-gen-{name}={tools}/protoc-gen-{name}" for name in PLUGINS),
            *(f"--{kind}_out={code}" for kind in ("python", "grpc_python")),
            *(f"--{name}_out=quiet:{code}" for name in PLUGINS),
            *("--include_imports", "--include_source_info", f"--descriptor_set_out={descriptors}"),
            *sources,
        ],
        check=True,
    )
    (out / CODE / "__init__.py").write_text(PACKAGE_DOCSTRING)
    descriptors.write_bytes(with_only_our_comments(descriptors.read_bytes()))
    drop_stubs_without_service(out / CODE)
    # In its own process: importing google.api changes how the options in the descriptor set are serialized.
    subprocess.run([sys.executable, "-m", "tools.gen_sdk", descriptors, out], check=True, cwd=ROOT)


def with_only_our_comments(raw: bytes) -> bytes:
    """The descriptor set with the comments of egress.v1, which OpenAPI shows, and without positions.

    Positions would change the file with every blank line. The comments of Google's files are long and not used.
    """
    files = FileDescriptorSet.FromString(raw)
    for file in files.file:
        kept = list(comments(file)) if file.package.startswith("egress.") else []
        file.ClearField("source_code_info")
        file.source_code_info.location.extend(kept)
    return files.SerializeToString(deterministic=True)


def comments(file: FileDescriptorProto) -> Iterator[SourceCodeInfo.Location]:
    """The locations of one file that have a comment, without their positions."""
    for location in file.source_code_info.location:
        if location.leading_comments or location.trailing_comments:
            location.ClearField("span")
            yield location


def drop_stubs_without_service(code: Path) -> None:
    """Removes the gRPC modules of files without a service, which are empty."""
    for module in code.glob("*_pb2_grpc.py"):
        if "Stub(object)" not in module.read_text():
            module.unlink()
            module.with_suffix(".pyi").unlink(missing_ok=True)


def generated_files(root: Path) -> dict[Path, bytes]:
    """The content of all generated files below `root`, by path."""
    paths = [path for path in (root / CODE).glob("*.py*") if path.is_file()]
    paths += [path for path in [root / DESCRIPTORS] if path.exists()]
    paths += (root / SDK).glob("_api/generated/*.py")
    paths += [
        path for path in (root / SDK / "_exports.py", root / SDK / "_client" / "reply_fields.py") if path.exists()
    ]
    return {path.relative_to(root): path.read_bytes() for path in paths}


def check(fresh: Path) -> bool:
    """Prints how the committed files differ from fresh ones. Returns whether they are the same."""
    have, want = generated_files(ROOT), generated_files(fresh)
    stale = sorted(path for path in have.keys() | want.keys() if have.get(path) != want.get(path))
    for path in stale:
        print(f"gen: {path} is out of date; run `make gen`")
        if path.suffix == ".pyi" or (CODE not in path.parents and path.suffix == ".py"):
            old, new = (side.get(path, b"").decode().splitlines() for side in (have, want))
            print("\n".join([*difflib.unified_diff(old, new, lineterm="", n=1)][:20]))
    return not stale


def write(fresh: Path) -> None:
    """Replaces the committed files; removes those that are no longer generated."""
    want = generated_files(fresh)
    for path in generated_files(ROOT).keys() - want.keys():
        (ROOT / path).unlink()
    for path in want:
        (ROOT / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(fresh / path, ROOT / path)


def main() -> int:
    """Exit code 1 if --check finds a difference, otherwise 0."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="compare, write nothing")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        fresh = Path(scratch)
        generate(fresh)
        if arguments.check:
            return 0 if check(fresh) else 1
        write(fresh)
    return 0


if __name__ == "__main__":
    sys.exit(main())
