from argparse import ArgumentParser
from collections.abc import Callable
from functools import partial
from typing import Any

from django.core.management.base import CommandError
from django.db import transaction  # noqa: CC5 - several changes, all of them or none

from accounts.commands import SystemCommand
from accounts.models import User
from accounts.users.services import editing, invitations

type Change = Callable[..., User]


class Command(SystemCommand):
    help = "Change a user's role or e-mail address, disable or enable the user, or end their sessions. If one change fails, none is applied."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("username")
        parser.add_argument("--role")
        state = parser.add_mutually_exclusive_group()
        state.add_argument("--disable", action="store_true")
        state.add_argument("--enable", action="store_true")
        parser.add_argument("--sign-out", action="store_true", help="end all sessions of the user")
        parser.add_argument("--email", help="the new e-mail address; empty for none")
        parser.add_argument("--invite", action="store_true", help="print a new link for an invited user")
        parser.add_argument("--reason", default="", help="recorded in the audit log")

    def handle(self, *args: Any, username: str, **options: Any) -> None:  # noqa: ARG002 - Django's signature
        changes = _changes(options)
        if not (changes or options["invite"]):
            raise CommandError(
                "Choose what to change: --role, --disable, --enable, --sign-out, --email or --invite."
            )
        user = editing.find_user(username)
        lines = []
        with transaction.atomic():
            for change in changes:
                user = change(principal=self.principal, user_id=user.id, reason=options["reason"])
            if options["invite"]:
                issued = invitations.reissue_invitation(principal=self.principal, user_id=user.id)
                lines = [issued.url]
        self.stdout.write("\n".join([f"{user.username}: {user.role}, {user.state}", *lines]))


def _changes(options: dict[str, Any]) -> list[Change]:
    asked: list[tuple[Any, Change]] = [
        (options["role"], partial(editing.set_role, role=options["role"])),
        (options["disable"], editing.disable_user),
        (options["enable"], editing.enable_user),
        (options["sign_out"], editing.sign_out_everywhere),
        (options["email"] is not None, partial(editing.set_email, email=options["email"])),
    ]
    return [change for wanted, change in asked if wanted]
