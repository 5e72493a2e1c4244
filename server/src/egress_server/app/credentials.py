"""The key of this installation, as each of its processes finds it."""

from egress_server.auth.sealing import KeyFileSealer
from egress_server.config import ProcessSettings


def sealer_of(settings: ProcessSettings) -> KeyFileSealer:
    """Raises FailedPrecondition where the key is to be there and is not: better now than at the first cluster."""
    named = settings.credentials_key_file
    sealer = KeyFileSealer(named or settings.data_dir.absolute() / "credentials.key", make=named is None)
    sealer.check()
    return sealer
