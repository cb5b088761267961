from accounts.management.base import ReplacedCommand


class Command(ReplacedCommand):
    instead = "create_user"
