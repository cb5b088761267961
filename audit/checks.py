"""System checks of the settings of this app. See ``kernel.checks``."""

from collections.abc import Iterable
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, register

from audit.archive.places import bucket_of
from kernel.errors import Conflict, Invalid


@register()
def check_archive(**_kwargs: Any) -> Iterable[CheckMessage]:
    try:
        bucket_of(settings.CC_AUDIT_ARCHIVE)
    except (Conflict, Invalid) as error:
        yield Error(error.detail, hint="See CC_AUDIT_ARCHIVE in docs/operations.md.", id="ciphercanary.E020")
