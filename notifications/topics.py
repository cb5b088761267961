"""The topics that this app publishes itself. Other apps register theirs."""

from typing import Final

from kernel.outbox.topics import Severity, Topic

ROTATION_OVERDUE: Final = Topic(
    word="key.rotation_overdue",
    label="Rotation overdue",
    severity=Severity.WARNING,
    text="The rotation of the key {name} has been overdue since {at}.",
    summary="The rotations of {count} keys are overdue: {list}",
)
EXPIRING: Final = Topic(
    word="key.expiring",
    label="Key expires soon",
    severity=Severity.WARNING,
    text="The key {name} expires on {at}, in less than {within}. After that, it can no longer encrypt.",
    summary="{count} keys expire within {within}: {list}",
)
DELETION_AHEAD: Final = Topic(
    word="key.deletion_ahead",
    label="Key will be destroyed soon",
    severity=Severity.WARNING,
    text="The key {name} will be destroyed on {at}, in less than {within}. Until then, the deletion can be cancelled.",
    summary="{count} keys will be destroyed within {within}: {list}",
)
DELETION_DENIED_USE: Final = Topic(
    word="key.deletion_denied_use",
    label="Use of a key scheduled for deletion",
    severity=Severity.CRITICAL,
    text="Requests with the key {name} were denied because the key is scheduled for deletion.",
    summary="Requests with {count} keys were denied because the keys are scheduled for deletion: {list}",
)
TOKEN_EXPIRING: Final = Topic(
    word="token.expiring",
    label="Token expires soon",
    severity=Severity.WARNING,
    text="The token {name} expires on {at}, in less than {within}. Rotate it, so that its program continues to work.",
    summary="{count} tokens expire within {within}: {list}",
)
TOKEN_UNUSED: Final = Topic(
    word="token.unused",
    label="Token unused",
    severity=Severity.INFO,
    text="The token {name}, created on {at}, has had no use for {within}. Revoke it if no program needs it.",
    summary="{count} tokens have had no use for {within}: {list}",
)
SECOND_FACTOR_MISSING: Final = Topic(
    word="user.second_factor_missing",
    label="User without a second factor",
    severity=Severity.WARNING,
    text="The user {name} has no second factor. Anyone with their password can sign in as them.",
    summary="{count} users have no second factor: {list}",
)
TEST: Final = Topic(
    word="notification.test",
    label="Test",
    severity=Severity.INFO,
    text="{requested_by} sent this test notification.",
    is_selectable=False,
)
TOPICS: Final = (
    ROTATION_OVERDUE,
    EXPIRING,
    DELETION_AHEAD,
    DELETION_DENIED_USE,
    TOKEN_EXPIRING,
    TOKEN_UNUSED,
    SECOND_FACTOR_MISSING,
    TEST,
)
