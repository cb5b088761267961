from collections.abc import Iterable
from typing import Any

from accounts.commands import SystemCommand
from accounts.users.services import listing
from audit.sequencing.catching_up import catch_up

HEADINGS = ("username", "role", "state", "second factor", "last sign-in (UTC)")
FACTORS = {"totp": "TOTP", "passkey": "passkey"}


class Command(SystemCommand):
    help = "List users with role, state, second factors and last sign-in."

    def handle(self, *args: Any, **options: Any) -> None:  # noqa: ARG002 - Django's signature
        catch_up()
        users = listing.describe_users(listing.list_users(principal=self.principal))
        rows = [HEADINGS, *map(_cells, users)]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        for row in rows:
            self.stdout.write(_line(row, widths))


def _cells(listed: listing.ListedUser) -> tuple[str, ...]:
    user = listed.user
    return (
        user.username,
        user.role,
        user.state if listed.is_intact else "ALTERED",
        ", ".join(FACTORS[factor] for factor in listed.second_factors) or "none",
        f"{listed.last_sign_in_at:%Y-%m-%d %H:%M}" if listed.last_sign_in_at else "never",
    )


def _line(cells: Iterable[str], widths: Iterable[int]) -> str:
    return "  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip()
