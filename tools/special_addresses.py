"""Writes IANA's special-purpose address blocks into the domain, from the CSV files of the two registries.

    .venv/bin/python tools/special_addresses.py iana-ipv4-special-registry-1.csv iana-ipv6-special-registry-1.csv

IANA publishes the files with its "IPv4/IPv6 Special-Purpose Address Registry". Do this when a registry has changed, and
review the difference: a new block that isn't globally reachable is forbidden to probes and entries from then on, unless
`domain/model/addresses.py` allows its name. A block whose reachability the registry leaves open, or that embeds IPv4
addresses, becomes None.
"""

import csv
import re
import sys
from collections.abc import Iterator
from ipaddress import ip_network
from pathlib import Path

ROOT = Path(__file__).parents[1]
TARGET = ROOT / "server/src/egress_server/domain/model/special_addresses.py"
_FOOTNOTE = re.compile(r"\s*\[\d+\]")
_REACHABLE = {"True": True, "False": False}
_EMBEDS_IPV4 = frozenset({"::ffff:0:0/96", "64:ff9b::/96", "64:ff9b:1::/48", "2001::/32", "2002::/16"})

Block = tuple[str, str, bool | None]


def read_blocks(path: Path) -> Iterator[Block]:
    """The blocks of a registry in a CSV file of IANA. Raises KeyError or ValueError if it is not one."""
    with path.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            name = row["Name"].replace('"', "").strip()
            reachable = _REACHABLE.get(_FOOTNOTE.sub("", row["Globally Reachable"]).strip())
            for text in _FOOTNOTE.sub("", row["Address Block"]).split(","):
                block = str(ip_network(text.strip()))
                yield block, name, None if block in _EMBEDS_IPV4 else reachable


def rendered(blocks: list[Block], source: str) -> str:
    """The module `source` with these blocks, in the order of addresses."""
    ordered = sorted(blocks, key=lambda block: (ip_network(block[0]).version, ip_network(block[0])))
    lines = "".join(f'    ("{block}", "{name}", {reachable}),\n' for block, name, reachable in ordered)
    return f"{source[: source.index(' = (')]} = (\n{lines})\n"


def main() -> int:
    """Rewrites the module."""
    blocks = [block for path in sys.argv[1:] for block in read_blocks(Path(path))]
    TARGET.write_text(rendered(blocks, TARGET.read_text()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
