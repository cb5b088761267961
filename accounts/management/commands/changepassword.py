from accounts.commands import ReplacedCommand


class Command(ReplacedCommand):
    instead = "set_password"
