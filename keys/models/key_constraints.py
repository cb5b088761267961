"""The constraints of the table of keys."""

from typing import Final

from django.db import models
from django.db.models import F, Q

from keys.lifecycle import Origin, State

KEY_CONSTRAINTS: Final[list[models.BaseConstraint]] = [
    models.CheckConstraint(
        condition=Q(state__in=[state.value for state in State]), name="encryption_keys_state_is_known"
    ),
    models.CheckConstraint(
        condition=Q(origin__in=[origin.value for origin in Origin]),
        name="encryption_keys_origin_is_known",
    ),
    models.CheckConstraint(condition=Q(primary_version__gte=1), name="encryption_keys_has_primary_version"),
    models.CheckConstraint(
        condition=Q(activates_at=None) | Q(expires_at=None) | Q(expires_at__gt=F("activates_at")),
        name="encryption_keys_expires_after_activation",
    ),
    models.CheckConstraint(
        condition=Q(min_decryption_version__gte=1) & Q(min_decryption_version__lte=F("primary_version")),
        name="encryption_keys_minimum_is_a_version",
    ),
    models.CheckConstraint(
        condition=Q(state=State.DELETION_SCHEDULED.value, deletion_at__isnull=False)
        | Q(state=State.DESTROYED.value)
        | ~Q(state__in=[State.DELETION_SCHEDULED.value, State.DESTROYED.value])
        & Q(deletion_at=None, deletion_scheduled_at=None, state_before_deletion=""),
        name="encryption_keys_deletion_has_a_time",
    ),
    models.CheckConstraint(
        condition=Q(resumes_at=None) | Q(state=State.SUSPENDED.value),
        name="encryption_keys_only_a_suspension_ends",
    ),
    models.UniqueConstraint(
        fields=["created_by", "algorithm"],
        condition=Q(is_default=True),
        name="encryption_keys_one_default",
    ),
]
