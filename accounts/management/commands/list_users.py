from collections.abc import Iterable
from typing import Any

from accounts import services
from accounts.management.base import AccountCommand

HEADINGS = ("username", "role", "state", "second factor", "last sign-in (UTC)")


class Command(AccountCommand):
    help = "List users with role, state, second factors and last sign-in."

    def handle(self, *args: Any, **options: Any) -> None:  # noqa: ARG002 - Django's signature
        rows = [HEADINGS, *map(_cells, services.list_users(principal=self.principal))]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        for row in rows:
            self.stdout.write(_line(row, widths))


def _cells(user: services.ListedUser) -> tuple[str, ...]:
    state = "active" if user.is_active else "disabled"
    return (
        user.username,
        user.role,
        state if user.is_intact else "ALTERED",
        ", ".join(user.second_factors) or "none",
        f"{user.last_log_in_at:%Y-%m-%d %H:%M}" if user.last_log_in_at else "never",
    )


def _line(cells: Iterable[str], widths: Iterable[int]) -> str:
    return "  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip()
