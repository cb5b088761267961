"""The filters of key lists."""

from datetime import datetime
from typing import TYPE_CHECKING, Self

from django.db import models
from django.db.models import F, Value

from accounts.principals import Principal
from audit.log.raw_rows import Spelled
from kernel.identities import Identity
from keys.lifecycle import Status
from keys.models.selection import Finding, contains_words, has_finding, has_status
from keys.models.visibility import HasElement, is_own, is_visible, is_within_reach

if TYPE_CHECKING:
    from keys.models.keys import Key


class KeyQuerySet(models.QuerySet["Key"]):
    """Keys. Every read starts with one of the first two filters."""

    def visible_to(self, principal: Principal) -> Self:
        """The keys that the principal may read. Every read of keys starts here, or with ``within_reach_of``."""
        return self.filter(is_visible(principal))

    def within_reach_of(self, principal: Principal) -> Self:
        """The keys that exist for the principal, even if they may use, but not read them."""
        return self.filter(is_within_reach(principal))

    def owned_by(self, identity: Identity) -> Self:
        return self.filter(is_own(identity))

    def with_status(self, status: Status, now: datetime) -> Self:
        return self.filter(has_status(status, now))

    def with_finding(self, finding: Finding, now: datetime) -> Self:
        return self.filter(has_finding(finding, now))

    def ids_as_logged(self) -> models.QuerySet["Key", str]:
        """The IDs in the audit log's format, for use in a subquery."""
        return self.order_by().values_list(Spelled("id"), flat=True)

    def search(self, words: str) -> Self:
        return self.filter(contains_words(words))

    def tagged(self, tag: str) -> Self:
        """The keys with exactly this tag, including case."""
        return self.filter(HasElement(F("tags"), Value(tag)))

    def due_for_rotation(self, now: datetime) -> Self:
        return self.with_finding(Finding.OVERDUE, now)
