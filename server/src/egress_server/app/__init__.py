"""The only place that names concrete adapters: what each process of the server is made of, in the order of its start,
and how it stops.

- `egressd run` (running.py): all in one.
- `egressd serve` (serving.py): the API over an external store.
- `egressd apply` (applying.py): the applier over an external store.

The others are their parts, each used by more than one of them.
"""

from egress_server.app.applying import apply
from egress_server.app.doors import Addresses
from egress_server.app.running import run
from egress_server.app.serving import serve

__all__ = ["Addresses", "apply", "run", "serve"]
