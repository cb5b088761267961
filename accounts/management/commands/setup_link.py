from typing import Any

from accounts import link_codes, services
from accounts.commands import SystemCommand


class Command(SystemCommand):
    help = "Print a new link that creates the first administrator. The previous link stops working."

    def handle(self, *args: Any, **options: Any) -> None:  # noqa: ARG002 - Django's signature
        self.stdout.write(link_codes.setup_url(services.issue_setup_link(principal=self.principal)))
