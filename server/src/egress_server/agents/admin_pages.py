"""The sidecar's admin interface over TCP, as every pod has it on its loopback.

Sidecars answer one page at a time and close nothing over: a plain request each is enough.
"""

import asyncio
import http.client

_TIMEOUT_SECONDS = 5.0


class AdminPages:
    """Pages of the admin interface at `host`:`port`."""

    def __init__(self, host: str, port: int) -> None:
        self._host = host
        self._port = port

    async def get(self, target: str) -> bytes:
        """A page such as `/clusters`; raises OSError where nothing answers, not in time, or with another status than
        200."""
        return await asyncio.to_thread(self._get, target)

    def _get(self, target: str) -> bytes:
        connection = http.client.HTTPConnection(self._host, self._port, timeout=_TIMEOUT_SECONDS)
        try:
            connection.request("GET", target)
            response = connection.getresponse()
            body = response.read()
        except http.client.HTTPException as error:
            raise OSError(f"the answer to {target} is broken: {error!r}") from error
        finally:
            connection.close()
        if response.status != http.client.OK:
            raise OSError(f"{target} answered {response.status}")
        return body
