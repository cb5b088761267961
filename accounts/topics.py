"""The topics of notifications about accounts."""

from typing import Final

from kernel.outbox.topics import Severity, Topic

PASSWORD_RESET: Final = Topic(
    word="user.password_reset",
    label="Password reset",
    severity=Severity.WARNING,
    text=(
        "{by} created a link that resets the password of {name} until {until}. All sessions and tokens of {name} have "
        "ended. If {name} did not request this, an administrator must disable the account."
    ),
    warns_users=True,
)
