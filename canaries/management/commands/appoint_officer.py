from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError

from accounts.commands import SystemCommand
from accounts.models import Passkey, User
from accounts.sessions.services.own_sessions import count_sessions
from accounts.users.services.editing import find_user
from canaries.documents import HOST, Office
from canaries.services import offices
from kernel.clock import database_now


class Command(SystemCommand):
    help = "Appoint an officer, who sees canaries. Also confirm a new or suspended officer, remove one, or list all."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("username", nargs="?", default="")
        what = parser.add_mutually_exclusive_group()
        what.add_argument("--remove", action="store_true", help="remove the officer")
        what.add_argument("--list", action="store_true", dest="lists", help="list all officers")

    def handle(self, *args: Any, username: str, remove: bool, lists: bool, **options: Any) -> None:  # noqa: ARG002 - Django's signature
        if lists == bool(username):
            raise CommandError("Name one user, or use --list.")
        if lists:
            self._list()
            return
        user = find_user(username)
        if remove:
            offices.remove_officer(by=HOST, user_id=user.id)
            self.stdout.write(f"{user.username} is no officer any more")
        elif any(office.user_id == user.id for office in offices.list_offices()):
            offices.confirm_office(by=HOST, user_id=user.id)
            self._write_appointed(f"The appointment of {user.username} is in effect.", user)
        else:
            offices.appoint_officer(by=HOST, user_id=user.id)
            self._write_appointed(f"{user.username} is an officer.", user)

    def _write_appointed(self, what: str, user: User) -> None:
        self.stdout.write(
            f"{what} They see Canaries after their next sign-in with a code from their authenticator."
        )
        # A thief with the password may have added them while the user had no authenticator.
        passkeys = Passkey.objects.filter(user=user).count()
        sessions = count_sessions(principal=self.principal, user=user)
        self.stdout.write(
            f"Check that all of this is theirs. Passkeys: {passkeys}. Open sessions: {sessions}."
        )

    def _list(self) -> None:
        now = database_now()
        for office in offices.list_offices():
            self.stdout.write(f"{office.name}  {_state(office, now)}")


def _state(office: Office, now: Any) -> str:
    if office.is_suspended:
        return "suspended"
    return "active" if office.is_active(now) else f"from {office.effective_at:%Y-%m-%d %H:%M} UTC"
