from accounts.management.base import ReplacedCommand


class Command(ReplacedCommand):
    instead = "set_password"
