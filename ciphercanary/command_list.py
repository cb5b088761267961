"""The list of commands that ``bin/manage`` prints. It omits Django's commands for developers, which still run."""

from django.core.management import BaseCommand, ManagementUtility, get_commands, load_command_class

from kernel import installation

_GROUPS = {
    "accounts": "Users",
    "keys": "Keys",
    "crypto_ops": "Files",
    "audit": "Audit log",
    "key_encryption": "Key-encryption keys",
    "canaries": "Canaries",
    "backups": "Backups",
    "demo": "Demo",
    "kernel": "Background jobs",
}
# Commands in the app of another group, because they need its models.
_MOVED = {
    **dict.fromkeys(
        ("backup_kek", "check_kek_backup", "retire_kek", "rewrap_keys", "rotate_kek"), "key_encryption"
    ),
    **dict.fromkeys(("list_audit_alarms", "resolve_audit_alarm"), "audit"),
}
REPLACED = {"changepassword", "createsuperuser"}  # our versions refuse and name the command to use
DJANGO = {
    "check": "Check the settings; --deploy adds the checks for a public address",
    "clearsessions": "Delete ended browser sessions",
    "migrate": f"Migrate the database; {installation.SERVE} does this at each start",
}
HEAD = (
    f"Usage: {installation.MANAGE} COMMAND [OPTION...]\n\n"
    f"To see the options of a command, run {installation.MANAGE} help COMMAND."
)
_FOOT = (
    "You can run these commands while the server is running, except restore, copy_to_postgresql and load_demo. "
    "See README.md for details."
)


class Commands(ManagementUtility):
    """Django's command line with our overview."""

    def __init__(self, argv: list[str]) -> None:
        super().__init__(argv)
        self.prog_name = installation.MANAGE

    def fetch_command(self, subcommand: str) -> BaseCommand:
        """``load_demo`` also prepares the installation, with code of the server, which the demo must not import."""
        if subcommand != "load_demo":
            return super().fetch_command(subcommand)
        from ciphercanary.server.alone import prepared_alone  # noqa: PLC0415 - it needs Django to be set up
        from demo.management.commands import load_demo  # noqa: PLC0415 - likewise

        command = load_demo.Command()
        command.prepared_alone = prepared_alone
        return command

    def main_help_text(self, commands_only: bool = False) -> str:  # noqa: FBT001, FBT002 - Django's signature
        """The groups of commands with a line for each, or the bare names."""
        groups = {title: _described(app) for app, title in _GROUPS.items()} | {"Django": DJANGO}
        if commands_only:
            return "\n".join(name for group in groups.values() for name in group)
        width = max(len(name) for group in groups.values() for name in group)
        sections = [
            "\n".join([title, *(f"  {name:<{width}}  {text}" for name, text in group.items())])
            for title, group in groups.items()
        ]
        return "\n\n".join([HEAD, *sections, _FOOT])


def _described(app: str) -> dict[str, str]:
    """``{name: first sentence of its help}`` of the commands in a group."""
    owners = get_commands()
    ours = owners.keys() - REPLACED - DJANGO.keys()
    names = sorted(name for name in ours if _MOVED.get(name, owners[name]) == app)
    return {
        name: load_command_class(owners[name], name).help.partition(". ")[0].rstrip(".") for name in names
    }
