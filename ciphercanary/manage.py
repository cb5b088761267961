"""The management commands: ``bin/manage``, and ``ciphercanary-server manage`` of an installed package."""

import os
import sys
from collections.abc import Sequence

import django.db
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from ciphercanary.command_list import Commands
from kernel import __version__, installation
from kernel.observability import standard_error

# Exit codes for commands whose exit code 1 does not mean "could not run".
_COULD_NOT_RUN = {"verify_audit_log": 2}
# They run until they are stopped.
_SERVERS = {"run_sequencer", "run_worker"}
_EXPECTED = (ImproperlyConfigured, OSError, django.db.Error)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command; the default arguments are those of the process. Errors that an operator can fix are one line."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "ciphercanary.settings")  # noqa: TID251 - names the settings
    arguments = sys.argv[1:] if arguments is None else arguments
    command = arguments[0] if arguments else "help"
    standard_error.capture(is_server=command in _SERVERS)
    if command in {"version", "--version"}:  # Django would print its own
        sys.stdout.write(f"{__version__}\n")
        return
    try:
        _ = settings.INSTALLED_APPS  # otherwise Django would report invalid settings as an unknown command
        Commands([installation.MANAGE, *arguments]).execute()
    except Exception as error:
        if "--traceback" in arguments or not (isinstance(error, _EXPECTED) or command in _COULD_NOT_RUN):
            raise
        standard_error.report(f"{installation.MANAGE}: {_line(error)}")
        sys.exit(_COULD_NOT_RUN.get(command, 1))


def _line(error: Exception) -> str:
    if isinstance(error, django.db.Error):
        from kernel.databases.database_errors import explain  # noqa: PLC0415 - it needs valid settings

        return f"cannot use the database: {explain(error)}"
    return str(error).partition("\n")[0] or type(error).__name__


if __name__ == "__main__":
    main()
