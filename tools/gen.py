"""Turns proto/ into the committed code and the descriptor set, or checks that they are in step.

The generator is older than the run time on purpose and must not meet it: it lives in a virtual
environment of its own under .cache, made from a hashed lock and remade when that lock changes.

    python tools/gen.py            write the files
    python tools/gen.py --check    exit 1, with a diff, when a committed file is not what comes out
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

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent
PROTO = ROOT / "proto"
THIRD_PARTY = PROTO / "third_party" / "googleapis"
LOCK = ROOT / "tools" / "gen-requirements.lock"
CODE = Path("sdk/src/egress/v1")
DESCRIPTORS = Path("server/src/egress_server/wire/descriptors.binpb")
PLUGINS = ("mypy", "mypy_grpc")
PACKAGE_DOCSTRING = '"""The contract, generated from proto/egress/v1 by `make gen`. Never edited."""\n'


def generator() -> Path:
    """The bin folder of the generator's own virtual environment, made first where it is missing.

    Raises subprocess.CalledProcessError if the packages cannot be had or a hash differs.
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
    """Writes everything that is generated below `out`, laid out as in the repository."""
    tools = generator()
    code = out / CODE.parent.parent
    descriptors = out / DESCRIPTORS
    code.mkdir(parents=True)
    descriptors.parent.mkdir(parents=True)
    sources = sorted(str(path.relative_to(PROTO)) for path in PROTO.glob("egress/v1/*.proto"))
    if not sources:
        raise SystemExit("gen: proto/egress/v1 holds no .proto file")
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


def with_only_our_comments(raw: bytes) -> bytes:
    """The descriptor set with our comments alone: what OpenAPI shows, and no line numbers.

    Positions would make the file change with every blank line; comments of Google's files are
    long and nobody reads them here.
    """
    files = FileDescriptorSet.FromString(raw)
    for file in files.file:
        kept = list(comments(file)) if file.package.startswith("egress.") else []
        file.ClearField("source_code_info")
        file.source_code_info.location.extend(kept)
    return files.SerializeToString(deterministic=True)


def comments(file: FileDescriptorProto) -> Iterator[SourceCodeInfo.Location]:
    """The places of one file that carry a comment, without their positions."""
    for location in file.source_code_info.location:
        if location.leading_comments or location.trailing_comments:
            location.ClearField("span")
            yield location


def drop_stubs_without_service(code: Path) -> None:
    """Removes the gRPC modules of files that declare no service: they would only say nothing."""
    for module in code.glob("*_pb2_grpc.py"):
        if "Stub(object)" not in module.read_text():
            module.unlink()
            module.with_suffix(".pyi").unlink(missing_ok=True)


def generated_files(root: Path) -> dict[Path, bytes]:
    """Path below `root` to content of everything generated that is there."""
    paths = [path for path in (root / CODE).glob("*.py*") if path.is_file()]
    paths += [path for path in [root / DESCRIPTORS] if path.exists()]
    return {path.relative_to(root): path.read_bytes() for path in paths}


def check(fresh: Path) -> bool:
    """Prints how the committed files differ from fresh ones. True if they do not."""
    have, want = generated_files(ROOT), generated_files(fresh)
    stale = sorted(path for path in have.keys() | want.keys() if have.get(path) != want.get(path))
    for path in stale:
        print(f"gen: {path} is not what `make gen` writes")
        if path.suffix == ".pyi":
            old, new = (side.get(path, b"").decode().splitlines() for side in (have, want))
            print("\n".join([*difflib.unified_diff(old, new, lineterm="", n=1)][:20]))
    return not stale


def write(fresh: Path) -> None:
    """Puts the fresh files in place; what is generated no more goes away."""
    want = generated_files(fresh)
    for path in generated_files(ROOT).keys() - want.keys():
        (ROOT / path).unlink()
    for path in want:
        (ROOT / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(fresh / path, ROOT / path)


def main() -> int:
    """Exit code 0 when all is written or in step, 1 when --check finds a difference."""
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
