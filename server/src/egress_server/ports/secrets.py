"""Sealing of what must not be readable where it is kept."""

from typing import Protocol


class Sealer(Protocol):
    """Seals text under the key of the installation. Equal texts are sealed alike, so that a repeated request is the
    same one."""

    def seal(self, text: str) -> str:
        """The sealed form, printable ASCII."""

    def open(self, sealed: str) -> str:
        """The text. Raises PermanentError CREDENTIALS_UNREADABLE where the key is another, or the text is damaged."""
