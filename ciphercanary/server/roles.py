"""``ciphercanary-server ROLE``: the commands of an installation. ``bin/serve`` is the role ``serve`` of a clone.

``serve`` runs everything. The roles ``web``, ``sequencer``, ``worker`` and ``beat`` are its parts, for installations
of several containers or machines: each checks that ``prepare`` has run, and then becomes its program with exec(3), so
that signals reach the program.
"""

import logging
import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from types import FrameType, ModuleType

import django
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from ciphercanary import manage
from ciphercanary.server import data_folder, programs, serve
from ciphercanary.server.starting import ROLE, SETTING, CannotStart
from kernel import __version__, installation
from kernel.observability import standard_error

logger = logging.getLogger(__name__)

_HELP = f"""\
Usage: {installation.SERVER} ROLE

  serve              prepare, then run web server, sequencer and worker until stopped
  prepare            check the settings, migrate the database, create or open the root of trust, then exit
  web                run the web server
  sequencer          run the sequencer of the audit log; one is active at a time
  worker             run background jobs: from CELERY_BROKER_URL if it is set
  beat               run the schedule of Celery; one is enough
  manage COMMAND...  run a management command; without one, list them

web, sequencer, worker and beat need PostgreSQL, and refuse to start before prepare has run.
Settings are environment variables: see docs/operations.md. --version prints the version.
"""
_TEXTS = {
    **dict.fromkeys(("-h", "--help", "help"), _HELP),
    **dict.fromkeys(("--version", "version"), f"{__version__}\n"),
}
_FOLDERS = {"CC_HOME", "CC_STATIC_ROOT"}


def main() -> None:
    role, *rest = sys.argv[1:] or [""]
    if role == "manage":
        manage.main(rest)
        return
    standard_error.capture(is_server=True)
    if role in _TEXTS:
        sys.stdout.write(_TEXTS[role])
        return
    if role not in ROLES or rest:
        standard_error.report(
            f"{installation.SERVER}: unknown arguments. Run {installation.SERVER} --help to see the roles."
        )
        sys.exit(2)
    name = installation.SERVE if role == "serve" else f"{installation.SERVER} {role}"
    _exit_on_interrupt(f"{name}: interrupted. Run it again to continue.")
    try:
        sys.exit(ROLES[role]())
    except CannotStart as reason:
        standard_error.report(f"{name}: {reason}")
        sys.exit(1)


def _exit_on_interrupt(message: str) -> None:
    """Exit at once with the message on Ctrl-C. Every step of the preparation can be repeated after a kill.

    Python drops a KeyboardInterrupt that is raised within a finalizer or a callback of SQLite.
    """

    def end(_number: int, _frame: FrameType | None) -> None:
        standard_error.report_from_signal_handler(message)
        os._exit(1)

    # nohup and a shell's & ignore the signal.
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, end)


def _serve() -> int:
    with data_folder.locked_home(_read_settings()) as lock:
        commands = serve.commands()
        greeting = _prepare(is_served=True)
        _forget_admin_password()
        return serve.run(commands, lock, greeting)


def _prepare_alone() -> int:
    folder = _read_settings()
    with (data_folder.locked_home if settings.CC_SQLITE else data_folder.shared_home)(folder):
        print(_prepare(is_served=False), flush=True)  # noqa: T201 - for the terminal
        logger.info("CipherCanary %s is prepared", __version__)
    return 0


def _read_settings() -> Path:
    """The data folder, after all settings have been read successfully. Raises CannotStart."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "ciphercanary.settings")  # noqa: TID251 - names the settings
    _leave_folder()
    try:
        return Path(settings.CC_HOME)
    except (ImproperlyConfigured, OSError) as error:
        raise CannotStart(str(error), SETTING) from None


def _leave_folder() -> None:
    """Change to the folder of the code. Python imports from the current folder, whose files are not ours."""
    for name, value in os.environ.items():  # noqa: TID251 - the program inherits absolute paths
        if value and (name in _FOLDERS or name.endswith("_FILE")):
            os.environ[name] = str(Path(value).absolute())  # noqa: TID251 - the program inherits absolute paths
    os.chdir(installation.ROOT)


def _forget_admin_password() -> None:
    """The password is for the preparation only, so the programs do not get it."""
    for name in ("CC_ADMIN_PASSWORD", "CC_ADMIN_PASSWORD_FILE"):
        os.environ.pop(name, None)  # noqa: TID251 - the program reads the settings of its role


def _prepare(*, is_served: bool) -> str:
    """Prepare the installation. Returns the text for the terminal. Raises CannotStart."""
    preparation = _preparation()
    prepared = preparation.prepare()
    _report_warnings(prepared.warnings)
    return str(preparation.welcome(prepared, is_served=is_served))


def _report_warnings(warnings: Sequence[str]) -> None:
    for warning in warnings:
        standard_error.report(f"warning: {warning}", logging.WARNING)


def _preparation() -> ModuleType:
    django.setup()
    from ciphercanary.server import preparation  # noqa: PLC0415 - it imports models, which need django.setup()

    return preparation


def _become(
    command: Callable[[], list[str]],
    environment: Callable[[], Mapping[str, str]] = lambda: os.environ,  # noqa: TID251 - the program inherits the environment
) -> int:
    """Replace this process by the program if the installation is prepared. Raises CannotStart."""
    _forget_admin_password()
    folder = _read_settings()
    if settings.CC_SQLITE:
        raise CannotStart(
            "SQLite supports only the role serve. Set DATABASE_URL to a PostgreSQL database.", ROLE
        )
    program = command()
    data_folder.create_home(folder)
    _report_warnings(_preparation().require_prepared())
    os.execve(program[0], program, environment())  # noqa: S606 - our own command line


ROLES: Mapping[str, Callable[[], int]] = {
    "serve": _serve,
    "prepare": _prepare_alone,
    "web": partial(_become, programs.web, programs.metrics_environment),
    "sequencer": partial(_become, programs.sequencer),
    "worker": partial(_become, programs.worker),
    "beat": partial(_become, programs.beat),
}
