"""The collected static files, and the stamp that shows which sources they were made of."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.staticfiles.finders import get_finders
from django.core.management import call_command
from whitenoise.storage import CompressedManifestStaticFilesStorage

_STAMP = ".collected"  # in the folder of the static files


class StampedStorage(CompressedManifestStaticFilesStorage):  # type: ignore[misc]  # untyped base class
    """WhiteNoise's storage, which writes the stamp after everything else. So ``collectstatic`` in the build of an
    image is enough, and later starts only read the folder.
    """

    def post_process(self, *args: Any, **kwargs: Any) -> Iterator[tuple[str, str, bool]]:
        yield from super().post_process(*args, **kwargs)
        if not kwargs.get("dry_run"):
            _stamp().write_text(_digest_of_sources() + _collected_bytes())


def collect() -> None:
    """Collect the static files if one has changed since the last time: hashing and compressing them takes seconds."""
    if not is_current():
        # This removes the stamp, too, so an interrupted collection is repeated.
        call_command("collectstatic", interactive=False, clear=True, verbosity=0)


def is_current() -> bool:
    """Whether the collected files were made of the current sources, and are complete. Raises OSError."""
    return _stamp().exists() and _stamp().read_text() == _digest_of_sources() + _collected_bytes()


def _stamp() -> Path:
    return Path(settings.STATIC_ROOT) / _STAMP


def _digest_of_sources() -> str:
    """A digest of the names and contents of the files."""
    digest = hashlib.sha256()
    for finder in get_finders():
        for name, storage in finder.list([]):
            content = Path(storage.path(name)).read_bytes()
            digest.update(f"{name}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()


def _collected_bytes() -> str:
    """The size of all collected files: after a power failure, files next to the stamp may be empty."""
    files = (path for path in Path(settings.STATIC_ROOT).rglob("*") if path.is_file() and path != _stamp())
    return f" {sum(path.stat().st_size for path in files)}"
