"""The health check of a container: ``python -m ciphercanary.server.health_check PORT/PATH``.

It exits with 0 if that address of this container returns 200 within two seconds, and otherwise with 1 and the response,
which the container engine stores with the result. Images contain no other HTTP client.
"""

import sys
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException

_SECONDS = 2.0
_SHOWN = 200  # bytes of a response


def main() -> None:
    port, _, path = (sys.argv[1:] or ["8000/livez"])[0].partition("/")
    connection = HTTPConnection("127.0.0.1", int(port), timeout=_SECONDS)
    try:
        connection.request("GET", f"/{path}")
        response = connection.getresponse()
        status, shown = response.status, response.read(_SHOWN).decode(errors="replace").strip()
    except (OSError, HTTPException) as error:
        sys.exit(f"port {port}: {error}")
    if status != HTTPStatus.OK:
        sys.exit(f"{status} {shown}")


if __name__ == "__main__":
    main()
