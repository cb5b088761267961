"""The content security policy of all responses, built once. Django's own middleware builds it for each."""

from django.conf import settings
from django.utils.csp import build_policy

from kernel.runtime import settings_cache


@settings_cache
def content_security_policy() -> str:
    """The header for ``SECURE_CSP``."""
    return build_policy(settings.SECURE_CSP)
