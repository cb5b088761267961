"""A call of the API as pages show it: a command for bash, which takes the token from CIPHERCANARY_TOKEN."""

import json
import shlex
from collections.abc import Mapping

from django.conf import settings


def curl_of(path: str, body: Mapping[str, object]) -> str:
    """A POST of JSON to a path of this server."""
    return (
        f"curl -sS --fail-with-body {settings.CC_PUBLIC_URL}{path} \\\n"
        '  -H "Authorization: Bearer $CIPHERCANARY_TOKEN" \\\n'
        "  -H 'Content-Type: application/json' \\\n"
        f"  -d {shlex.quote(json.dumps(body))}\n"
    )
