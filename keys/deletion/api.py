"""REST interface for the scheduled deletion of keys and versions."""

from rest_framework import serializers

from kernel.rules import Rule
from keys import actions
from keys.deletion import services
from keys.models.policies import MAX_DELETION_DAYS, MIN_DELETION_DAYS
from keys.reading.api import ChangeView
from keys.reading.serializers import KeyVersionSerializer, ReasonSerializer


class ScheduleDeletionSerializer(ReasonSerializer):
    confirm_name = serializers.CharField(max_length=64, help_text="the name of the key")
    waiting_days = serializers.IntegerField(
        default=MAX_DELETION_DAYS, min_value=MIN_DELETION_DAYS, max_value=MAX_DELETION_DAYS
    )


class ScheduleDeletionView(ChangeView):
    """Stop every use of the key now, and destroy its material after the waiting period.

    Requires a recent sign-in.
    """

    rules = {"POST": Rule("keys.destroy", actions.KEY_DELETION_SCHEDULED)}
    body = ScheduleDeletionSerializer
    change = services.schedule_deletion


class CancelDeletionView(ChangeView):
    """Keep the key. A key that was active is disabled afterwards."""

    rules = {"POST": Rule("keys.destroy", actions.KEY_DELETION_CANCELLED)}
    change = services.cancel_deletion


class ScheduleDestructionView(ChangeView):
    """Stop an earlier version from decrypting now, and destroy its material after the waiting period.

    Requires a recent sign-in.
    """

    rules = {"POST": Rule("keys.destroy", actions.VERSION_DESTRUCTION_SCHEDULED)}
    body = ScheduleDeletionSerializer
    shown = KeyVersionSerializer
    change = services.schedule_version_destruction


class CancelDestructionView(ChangeView):
    """Keep the version. It is disabled afterwards."""

    rules = {"POST": Rule("keys.destroy", actions.VERSION_DESTRUCTION_CANCELLED)}
    shown = KeyVersionSerializer
    change = services.cancel_version_destruction
