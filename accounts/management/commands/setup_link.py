from typing import Any

from accounts.commands import SystemCommand
from accounts.users import link_codes
from accounts.users.services import set_up


class Command(SystemCommand):
    help = "Print a new link that creates the first administrator. The previous link stops working."

    def handle(self, *args: Any, **options: Any) -> None:  # noqa: ARG002 - Django's signature
        self.stdout.write(link_codes.setup_url(set_up.issue_setup_link(principal=self.principal)))
