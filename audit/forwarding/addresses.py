"""The URLs that a log target may have: a server that ``kernel.http.pinned`` allows, or a file in one folder."""

import re
from pathlib import Path
from typing import Final

from django.conf import settings

from audit.models.log_targets import FILE, SCHEMES
from kernel.errors import Invalid
from kernel.http.targets import Target

_FILE_NAME: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,99}")
_FILE_URL: Final = f"{FILE}://"


def check_url(url: str) -> None:
    """Raises Invalid, naming the field ``url``, for a URL that no delivery could use. Host names are resolved later."""
    if url.startswith(_FILE_URL):
        check_file(Path(url.removeprefix(_FILE_URL)))
        return
    target = Target.parse(url, SCHEMES)
    if target.scheme != "https" and target.path != "/":
        raise _fault("Remove the path: syslog has none.")
    target.require_allowed(settings.CC_NOTIFICATIONS.allowed_networks)


def check_file(path: Path) -> None:
    """Raises Invalid, naming the field ``url``, unless the path is that of a file directly in the folder."""
    folder = settings.CC_LOG_TARGET_FOLDER
    if not folder:
        raise _fault("Files are off. The person who runs this server can set CC_LOG_TARGET_FOLDER.")
    if path.parent != Path(folder) or not _FILE_NAME.fullmatch(path.name):
        raise _fault(
            f"Use file://{folder}/NAME, with a name of letters, digits, dots, hyphens and underscores."
        )


def _fault(message: str) -> Invalid:
    return Invalid.of_field("url", message)
