"""An API call as pages show it: a command for bash, with the token from CIPHERCANARY_TOKEN."""

import json
from collections.abc import Mapping

from django.conf import settings


def curl_of(path: str, body: Mapping[str, object]) -> str:
    """A POST of JSON to a path of this server.

    The body is a here-document because Linux limits a program argument to 128 KiB. It is one line that begins with
    a brace, so nothing in it can end the here-document early.
    """
    return (
        f"curl -sS --fail-with-body {settings.CC_PUBLIC_URL}{path} \\\n"
        '  -H "Authorization: Bearer $CIPHERCANARY_TOKEN" \\\n'
        "  -H 'Content-Type: application/json' \\\n"
        "  --data-binary @- <<'JSON'\n"
        f"{json.dumps(body)}\n"
        "JSON\n"
    )
