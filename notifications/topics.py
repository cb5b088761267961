"""The topics that this app publishes itself. Other apps register theirs."""

from typing import Final

from kernel.outbox.topics import Severity, Topic

ROTATION_DUE: Final = Topic(
    word="key.rotation_due",
    label="Rotation due soon",
    severity=Severity.INFO,
    text="The key {name} is due for rotation on {at}, in less than {within}.",
    summary="{count} keys are due for rotation within {within}: {list}",
)
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
TEST: Final = Topic(
    word="notification.test",
    label="Test",
    severity=Severity.INFO,
    text="{requested_by} sent this test notification.",
    is_selectable=False,
)
TOPICS: Final = (
    ROTATION_DUE,
    ROTATION_OVERDUE,
    EXPIRING,
    DELETION_AHEAD,
    DELETION_DENIED_USE,
    TEST,
)
