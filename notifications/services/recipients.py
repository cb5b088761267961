"""The addresses that receive e-mails: those of the settings, and those of users, if the topic warns them."""

from django.conf import settings
from django.db.models import Q

from accounts.models import User, UserQuerySet
from accounts.models.roles import has_role_with
from accounts.roles import MANAGES_USERS
from kernel.outbox.models import Notification
from kernel.trust.row_heads import find_current
from kernel.trust.row_mac import IntegrityFailed
from notifications.models import Delivery


def addresses_of(notification: Notification) -> list[str]:
    """A topic that warns users also goes to all addresses of the settings, which no administrator can change."""
    given = settings.CC_NOTIFICATIONS
    if not (given.has_email and notification.kind.warns_users):
        return list(dict.fromkeys(given.emails_about(notification.topic)))
    users = _warned(notification).exclude(email=None).order_by("username")
    return list(dict.fromkeys([*given.emails, *(user.email or "" for user in users)]))


def may_be_mailed(delivery: Delivery) -> bool:
    """Whether its address is still one of these. So no row that someone altered or invented chooses an address."""
    given = settings.CC_NOTIFICATIONS
    if not given.has_email or delivery.email in given.emails:
        return given.has_email
    if not delivery.notification.kind.warns_users:
        return False
    try:
        return find_current(_warned(delivery.notification).filter(email=delivery.email)) is not None
    except IntegrityFailed:
        return False


def _warned(notification: Notification) -> UserQuerySet:
    """The user that the notification is about, and all active users who manage users."""
    managers = has_role_with(MANAGES_USERS) & Q(is_active=True)
    return User.objects.filter(Q(username=notification.object_name) | managers)
