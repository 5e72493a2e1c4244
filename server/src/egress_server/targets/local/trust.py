"""The machine's CA certificates, as Envoy wants them: one file.

Why it exists: a sidecar that originates TLS checks the service's certificate against the system's CAs, and every
distribution keeps them elsewhere.
"""

import ssl
from pathlib import Path

_USUAL_PLACES = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/cert.pem",
)


def system_trust() -> str | None:
    """The file's absolute path: what SSL_CERT_FILE names, else OpenSSL's own, else where distributions keep it."""
    own = ssl.get_default_verify_paths().cafile
    places = (*([own] if own else []), *_USUAL_PLACES)
    return next((str(Path(place).absolute()) for place in places if Path(place).is_file()), None)
