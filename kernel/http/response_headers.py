"""Headers of all responses: the id of the request, and the content security policy."""

import os
import re

from django.conf import settings
from django.utils.csp import build_policy

from kernel.runtime import settings_cache

REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")


def choose_request_id(sent: str) -> str:
    """The client's value if it is safe for a log line, else a random one."""
    return sent if REQUEST_ID.fullmatch(sent) else new_request_id()


def new_request_id() -> str:
    return os.urandom(16).hex()


@settings_cache
def content_security_policy() -> str:
    """The header for ``SECURE_CSP``, built once. Django's own middleware builds it for each response."""
    return build_policy(settings.SECURE_CSP)
