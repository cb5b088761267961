from accounts.commands import ReplacedCommand


class Command(ReplacedCommand):
    instead = "create_user"
