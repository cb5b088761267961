"""System checks of the settings of this app. See ``kernel.checks``."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning, register  # noqa: A004 - Django's own name

from audit.archive.places import bucket_of
from audit.sequencing.checkpoints.witnesses import configured_witnesses, quorum
from audit.services.witness import witnessed_keys
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


@register()
def check_witnesses(**_kwargs: Any) -> Iterable[CheckMessage]:
    try:
        number = len(configured_witnesses())
    except ValueError:
        yield Error(
            "CC_WITNESSES is not a list of URLs and keys of witnesses.",
            hint="Use pairs of a URL and a vkey, with spaces: https://witness.example.org/api/v1/witness NAME+ID+KEY.",
            id="ciphercanary.E022",
        )
        return
    if number < settings.CC_WITNESS_QUORUM:
        yield Error(
            "CC_WITNESS_QUORUM is greater than the number of witnesses in CC_WITNESSES.",
            hint=f"Use a number from 1 to {number}." if number else "Set CC_WITNESSES, too.",
            id="ciphercanary.E023",
        )

    elif number and 2 * quorum() <= number:
        yield Warning(
            "CC_WITNESS_QUORUM is not more than half of the witnesses, so two different logs can both be witnessed.",
            hint=f"Use {number // 2 + 1} or more.",
            id="ciphercanary.W005",
        )


@register()
def check_witnessed_logs(**_kwargs: Any) -> Iterable[CheckMessage]:
    try:
        witnessed_keys()
    except ValueError:
        yield Error(
            "CC_WITNESS_FOR is not a list of keys of logs.",
            hint="Use the vkeys of checkpoint keys, with spaces. ML-DSA-44 keys may be among them.",
            id="ciphercanary.E024",
        )


def _error(message: str) -> Error:
    return Error(message, hint="See CC_AUDIT_ARCHIVE in docs/operations.md.", id="ciphercanary.E020")
