"""Which addresses a mesh gives out, so that several meshes on one machine do not collide."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ServiceRange:
    """The addresses that an API server gives to Services."""

    v4: str
    v6: str

    @property
    def flag(self) -> str:
        """As the API server takes it."""
        return f"{self.v4},{self.v6}"
