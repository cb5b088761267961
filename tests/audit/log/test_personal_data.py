"""Entries keep as much of a client's address and user agent as the settings permit."""

import json

import pytest

from audit.forms.filters import LogFilterForm
from audit.log import refusals
from audit.log.bundles import kind_of
from audit.log.events import Actor, Event, Outcome
from audit.log.refusal_deduplication import RefusalDeduplicator
from console.key_encryption.rewraps import request_rewrap
from kernel.jobs.job import JobRecord
from keys.models import Selection
from keys.rotation.services.jobs import RotationRequest, request_rotation
from tests.audit.exports.exporting import order
from tests.endpoints import make_reencryption
from tests.factories import KeyFactory
from tests.log_entries import log_rows


@pytest.mark.parametrize(
    ("given", "network"),
    [
        ("192.0.2.177", "192.0.2.0"),
        ("::ffff:192.0.2.177", "192.0.2.0"),
        ("2001:DB8:12:fff6:7::8", "2001:db8:12::"),
        ("a socket", ""),
    ],
)
def test_an_entry_keeps_the_address_its_network_or_nothing(settings, given, network):
    actor = Actor.anonymous(given, "curl/8.5", "r")
    for setting, kept in {"full": actor.client_ip, "network": network, "none": ""}.items():
        settings.CC_AUDIT_ADDRESSES = setting
        columns = json.loads(kind_of(Event(action="a"), actor))
        assert (columns["client_ip"], columns["user_agent"]) == (kept, "curl/8.5")
        assert LogFilterForm({"client_ip": kept}).all_filters == ({"client_ip": kept} if kept else {})


def test_an_entry_keeps_the_user_agent_or_nothing(settings):
    settings.CC_AUDIT_USER_AGENTS = "none"
    columns = json.loads(kind_of(Event(action="a"), Actor.anonymous("192.0.2.77", "curl/8.5", "r")))
    assert (columns["client_ip"], columns["user_agent"]) == ("192.0.2.77", "")


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("setting", "address", "network"),
    [
        ("full", "2001:db8:1:2::", {"network": "2001:db8:1:2::/64"}),
        ("network", "2001:db8:1::", {"network": "2001:db8:1::/48"}),
        ("none", "", {}),
    ],
)
def test_refusals_are_limited_by_address_but_recorded_without_it(
    settings, monkeypatch, setting, address, network
):
    settings.CC_AUDIT_ADDRESSES = setting
    monkeypatch.setattr(refusals._pending.current, "table", RefusalDeduplicator(per_subject=1))
    clients = ("2001:db8:1:2::", "2001:db8:1:2::", "2001:db8:1:2::1", "2001:db8:1:2::2", "2001:db8:1:3::")
    for client in clients:
        refusals.note(Event(action="a", outcome=Outcome.DENIED), Actor.anonymous(client, "curl", "r"))
    refusals.flush()
    first, of_another_network, repeated, overflow = log_rows().order_by("id")
    assert (first.client_ip, repeated.client_ip, repeated.count) == (address, address, 1)
    assert of_another_network.client_ip == address.replace("1:2", "1:3")
    meta = {"repeats_within_seconds": int(refusals.PERIOD)}
    assert json.loads(repeated.meta) == meta
    assert (overflow.count, overflow.client_ip, json.loads(overflow.meta)) == (2, "", meta | network)


@pytest.mark.django_db(transaction=True)  # an operation commits in another thread
def test_jobs_have_what_the_log_keeps_of_their_requester(admin, settings):
    settings.CC_AUDIT_ADDRESSES = settings.CC_AUDIT_USER_AGENTS = "none"
    chosen = RotationRequest(Selection.KEYS, chosen=[(KeyFactory().id, 1)])
    request_rotation(principal=admin.principal, request=chosen, reason="leaked")
    request_rewrap(principal=admin.principal)
    make_reencryption(admin)
    order(admin)
    assert [(job.actor["client_ip"], job.actor["user_agent"]) for job in JobRecord.objects.all()] == [
        ("", "")
    ] * 4
