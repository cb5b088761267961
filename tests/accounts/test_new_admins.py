"""A new administrator is a notification, whichever way they became one."""

import pytest

from accounts.roles import ADMIN, OPERATOR
from accounts.users.services.creation import create_user
from accounts.users.services.editing import disable_user, enable_user, set_email, set_role
from accounts.users.services.invitations import invite_user
from kernel.outbox.models import Notification

pytestmark = pytest.mark.django_db


def sentences():
    return [each.sentence for each in Notification.objects.filter(topic="user.admin_added")]


def test_a_created_and_an_invited_administrator_are_announced(admin):
    for add, given in ((create_user, {"password": None}), (invite_user, {})):
        for name, role in (("eve", ADMIN), ("oscar", OPERATOR)):
            add(principal=admin.principal, username=f"{name}-{add.__name__}", role=role, email=None, **given)
    names = [text.split(" the role")[0] for text in sentences()]
    assert sorted(names) == ["ada gave eve-create_user", "ada gave eve-invite_user"]


def test_only_a_new_role_of_administrator_and_its_return_are_announced(admin, developer):
    def change(role):
        set_role(principal=admin.principal, user_id=developer.user.id, role=role)
        return len(sentences())

    assert [change(role) for role in (OPERATOR, ADMIN, ADMIN, OPERATOR, ADMIN)] == [0, 1, 1, 1, 2]
    set_email(principal=admin.principal, user_id=developer.user.id, email="dora@example.org")
    disable_user(principal=admin.principal, user_id=developer.user.id)
    assert len(sentences()) == 2
    enable_user(principal=admin.principal, user_id=developer.user.id)
    assert len(sentences()) == 3
