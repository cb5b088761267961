"""What the account commands share: the principal they act as, and how they read a password."""

import getpass
import sys
from argparse import ArgumentParser
from typing import Any, ClassVar

from django.core.management.base import BaseCommand, CommandError

from accounts.principals import Principal
from audit.events import Source
from ciphercanary.commands import ServiceCommand


class AccountCommand(ServiceCommand):
    """Acts as the application itself, under the command's own name."""

    @property
    def principal(self) -> Principal:
        return Principal.system(type(self).__module__.rpartition(".")[2], Source.COMMAND)


class ReplacedCommand(BaseCommand):
    """A command of Django's that would write a user past his MAC and his record: it says what to use instead."""

    instead: ClassVar[str]
    help = "Not available. Use the command that the error message names."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("arguments", nargs="*")

    def handle(self, *args: Any, **options: Any) -> None:  # noqa: ARG002 - Django's signature
        raise CommandError(f"Use bin/manage {self.instead}.")


def read_new_password() -> str:
    """A password typed twice at a terminal, or the first line of what is piped in; never an argument.

    Arguments stand in the process list and in the shell's history. Raises CommandError.
    """
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\r\n")
    password = getpass.getpass("Password: ")
    if getpass.getpass("Repeat password: ") != password:
        raise CommandError("The passwords do not match.")
    return password
