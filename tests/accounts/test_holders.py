"""Users and service accounts as holders of rights: the check of their rows, and the list of a page."""

import pytest

from accounts import holders
from accounts.models import ServiceAccount, User
from kernel.trust.row_mac import IntegrityFailed
from tests.factories import ServiceAccountFactory, UserFactory

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(("model", "create"), [(User, UserFactory), (ServiceAccount, ServiceAccountFactory)])
def test_a_holder_whose_row_was_altered_is_refused(model, create):
    holder = create(role="auditor")
    assert holders.find_holder(holder.pk) == holder
    model.objects.filter(pk=holder.pk).update(role="admin")
    with pytest.raises(IntegrityFailed):
        holders.find_holder(holder.pk)


@pytest.mark.parametrize(("create", "name"), [(UserFactory, "username"), (ServiceAccountFactory, "name")])
def test_a_list_has_a_bounded_number_of_holders_and_those_that_are_known(create, name, monkeypatch):
    monkeypatch.setattr(holders, "_MAX_HOLDERS", 2)
    *first, last = [create(**{name: word}) for word in ("holder-a", "holder-b", "holder-c")]
    assert holders.list_holders([]) == first
    assert holders.list_holders([last.pk]) == [*first, last]
