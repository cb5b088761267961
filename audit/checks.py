"""System checks of the settings of this app. See ``kernel.checks``."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, register

from audit.archive.places import bucket_of
from kernel.errors import Conflict, Invalid


@register()
def check_archive(**_kwargs: Any) -> Iterable[CheckMessage]:
    try:
        is_folder = bucket_of(settings.CC_AUDIT_ARCHIVE) is None
    except (Conflict, Invalid) as error:
        yield _error(error.detail)
        return
    if is_folder and settings.CC_AUDIT_ARCHIVE and not Path(settings.CC_AUDIT_ARCHIVE).is_absolute():
        yield _error("CC_AUDIT_ARCHIVE must be an absolute path, because programs run in different folders.")
    if settings.CC_AUDIT_ARCHIVE_DAYS and not settings.CC_AUDIT_ARCHIVE:
        yield _error("CC_AUDIT_ARCHIVE_DAYS needs CC_AUDIT_ARCHIVE, the place of the archive.")


@register()
def check_log_target_folder(**_kwargs: Any) -> Iterable[CheckMessage]:
    folder = settings.CC_LOG_TARGET_FOLDER
    if folder and not Path(folder).is_absolute():
        yield Error(
            "CC_LOG_TARGET_FOLDER must be an absolute path, because programs run in different folders.",
            hint="Use a path such as /srv/ciphercanary-log.",
            id="ciphercanary.E021",
        )


def _error(message: str) -> Error:
    return Error(message, hint="See CC_AUDIT_ARCHIVE in docs/operations.md.", id="ciphercanary.E020")
