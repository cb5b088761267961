"""Tokens that end or have no use, and users without a second factor, are published once."""

from datetime import timedelta

import pytest
from django.http import QueryDict

from accounts.models import ServiceAccount, ServiceToken, User
from audit.models import TokenLastUse
from console.tokens.forms import TokenFilterForm
from kernel.clock import database_now
from kernel.outbox.models import Notification
from notifications.services.watch_accounts import PAGES, watch_accounts
from tests.factories import ServiceAccountFactory

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("admin")]
DAY = timedelta(days=1)


@pytest.fixture
def new_token():
    """A token of a service account, created and ending these numbers of days from now."""
    owner = ServiceAccountFactory(name="shop")

    def new(name, *, created=-30.0, ends=60.0, owner=owner, **columns):
        now = database_now()
        token = ServiceToken(
            name=name,
            token_hash=name,
            service_account=owner,
            created_at=now + created * DAY,
            expires_at=now + ends * DAY,
            **columns,
        )
        token.save_with_mac()
        return token

    return new


def published():
    watch_accounts()
    found = Notification.objects.order_by("topic", "object_name")
    return [(each.topic, each.object_name, each.facts["within"]) for each in found]


def test_the_end_of_a_token_is_published_in_its_most_urgent_step(new_token):
    for name, days in (("hours", 0.9), ("days", 6.9), ("weeks", 7.1), ("over", -0.1)):
        new_token(name, ends=days)
    expected = [("token.expiring", "days", "7 days"), ("token.expiring", "hours", "1 day")]
    assert published() == expected
    assert published() == expected


def test_tokens_that_need_no_renewal_are_not_published(new_token, developer, operator):
    new_token("short", created=-7.1, ends=6.8)
    new_token("long", created=-7.2, ends=6.9)
    new_token("rotated", ends=2, rotated_at=database_now())
    new_token("revoked", ends=2, revoked_at=database_now())
    new_token("issued", ends=2, is_issued=True)
    disabled = ServiceAccountFactory(name="disabled")
    new_token("ownerless", ends=2, owner=disabled)
    ServiceAccount.objects.filter(pk=disabled.pk).update(is_active=False)
    for persona in (developer, operator):
        user = persona.user
        owned = {"owner": None, "user": user, "subject_version": user.subject_version}
        new_token(user.username, ends=2, **owned)
    User.objects.filter(pk=operator.user.pk).update(is_active=False)
    found = [("token.expiring", name, within) for name, within in (("dora", "7 days"), ("long", "7 days"))]
    assert published() == found


def test_a_token_without_a_use_for_90_days_is_published(new_token):
    new_token("never", created=-90.1)
    new_token("young", created=-89.9)
    for name, days in (("long-ago", 90.1), ("lately", 89.9)):
        token = new_token(name, created=-200)
        TokenLastUse.objects.create(token_id=str(token.id), last_at=database_now() - days * DAY)
    assert published() == [("token.unused", "long-ago", "90 days"), ("token.unused", "never", "90 days")]


def test_a_user_who_has_had_no_second_factor_for_a_week_is_published(admin, developer, operator, auditor):
    for persona, days in ((admin, 7.1), (developer, 6.9), (operator, 7.1), (auditor, 7.1)):
        User.objects.filter(pk=persona.user.pk).update(created_at=database_now() - days * DAY)
    User.objects.filter(pk=operator.user.pk).update(requires_second_factor=True)
    User.objects.filter(pk=auditor.user.pk).update(is_active=False)
    assert published() == [("user.second_factor_missing", admin.user.username, "")]


def test_the_pages_of_summaries_have_their_filters():
    tokens = [page for page in PAGES if page.startswith("tokens/")]
    assert len(tokens) == 2
    for page in tokens:
        form = TokenFilterForm(QueryDict(page.partition("?")[2]))
        assert form.is_valid()
        assert form.cleaned_data["state"] == "active"
