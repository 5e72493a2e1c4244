"""Which server a store runs on: Redis or its fork Valkey, in which version, and whose data it can read."""

import re
from dataclasses import dataclass

REDIS = "Redis"
VALKEY = "Valkey"

Version = tuple[int, ...]

_LAST_COMMON = (7, 2)
"""Valkey forked from Redis 7.2. Each has changed the file formats on its own since then, and refuses the other's."""


@dataclass(frozen=True, slots=True)
class Release:
    """A product, REDIS or VALKEY, in a version such as (7, 0, 15)."""

    product: str
    version: Version

    @classmethod
    def of(cls, product: str, version: str) -> "Release":
        """From the numbers of a version such as 7.0.15."""
        return cls(product, tuple(int(number) for number in re.findall(r"\d+", version)[:3]))

    @classmethod
    def of_banner(cls, banner: bytes) -> "Release | None":
        """From the output of `redis-server --version`; None if it is something else. Valkey's own binary may go by
        the name redis-server too."""
        found = re.search(rb"(Redis|Valkey) server v=(\d+\.\d+\.\d+)", banner)
        return cls.of(found[1].decode(), found[2].decode()) if found else None

    @classmethod
    def of_info(cls, info: bytes) -> "Release":
        """From the reply to INFO. For the sake of clients Valkey gives 7.2.4 as redis_version."""
        for product, field in ((VALKEY, rb"valkey_version"), (REDIS, rb"redis_version")):
            if found := re.search(field + rb":(\S+)", info):
                return cls.of(product, found[1].decode())
        return cls(REDIS, (0,))

    @property
    def series(self) -> Version:
        """Major and minor: file formats never change within one."""
        return self.version[:2]

    @property
    def is_supported(self) -> bool:
        """Whether the store works on it: Redis 7.0 or newer, or Valkey 7.2 or newer."""
        return self.series >= (7, 0)

    def reads(self, written: "Release") -> bool:
        """Whether it can open the data that `written` left behind."""
        if self.product == written.product:
            return self.series >= written.series
        return written.series <= _LAST_COMMON <= self.series

    def __str__(self) -> str:
        return f"{self.product} {'.'.join(map(str, self.version))}"


SUPPORTED = "Redis 7.0 or Valkey 7.2, or newer"
