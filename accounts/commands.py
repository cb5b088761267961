"""Shared code of commands: those that act as a principal, and Django's that ours replace."""

import getpass
import sys
from argparse import ArgumentParser
from typing import Any, ClassVar

from django.core.management.base import BaseCommand, CommandError

from accounts.principals import Principal
from audit.log.events import Source
from kernel import installation
from kernel.commands import ServiceCommand


class SystemCommand(ServiceCommand):
    """Acts as the application itself, under the command's name."""

    @property
    def principal(self) -> Principal:
        return Principal.system(self.name, Source.COMMAND)


class ReplacedCommand(BaseCommand):
    """Replaces a Django command that would change a user without updating the MAC and without an audit event."""

    instead: ClassVar[str]
    help = "Not available. Use the command that the error message names."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("arguments", nargs="*")

    def handle(self, *args: Any, **options: Any) -> None:  # noqa: ARG002 - Django's signature
        raise CommandError(f"Use {installation.MANAGE} {self.instead}.")


def read_new_password() -> str:
    """Read a password twice from a terminal, or from the first line of piped input.

    The password is never an argument, because arguments appear in the process list and in the shell history.
    Raises CommandError.
    """
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\r\n")
    password = getpass.getpass("Password: ")
    if getpass.getpass("Repeat password: ") != password:
        raise CommandError("The passwords do not match.")
    return password
