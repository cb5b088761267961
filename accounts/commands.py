"""The base class of commands that act as a principal."""

from accounts.principals import Principal
from audit.log.events import Source
from kernel.commands import ServiceCommand


class SystemCommand(ServiceCommand):
    """Acts as the application itself, under the command's name."""

    @property
    def principal(self) -> Principal:
        return Principal.system(self.name, Source.COMMAND)
