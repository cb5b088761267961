from django.contrib.sessions.management.commands.clearsessions import Command as DjangoCommand

from kernel.commands import ServiceCommand


class Command(ServiceCommand, DjangoCommand):
    """Django's command, with the checks and the errors of ours."""
