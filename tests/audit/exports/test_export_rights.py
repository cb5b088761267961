"""Only users with the permission can request, cancel or fetch an export."""

import json
from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import pytest

from accounts.principals import Principal
from accounts.users.services.editing import disable_user
from audit import actions
from audit.browse.selection import LogCriteria
from audit.log.events import Source
from audit.models import AuditExport
from audit.services import exports
from kernel.clock import database_now
from kernel.errors import Denied, NotFound
from kernel.freshness.stamps import StaleDecision
from tests.audit.exports.exporting import EXPORTS, fetch, order, work
from tests.audit.sequencing.log import write
from tests.log_entries import log_rows
from tests.personas import ApiClient

pytestmark = pytest.mark.django_db(transaction=True)


def test_operators_and_developers_export_nothing(operator, developer):
    for persona in (operator, developer):
        for response in (
            persona.api.post(EXPORTS, {"format": "jsonl"}),
            persona.api.get(EXPORTS),
            persona.api.get(f"{EXPORTS}/{uuid4()}"),
            persona.api.get(f"{EXPORTS}/{uuid4()}/result"),
            persona.api.post(f"{EXPORTS}/{uuid4()}/cancel"),
        ):
            assert (response.status, response.code) == (403, "permission_denied")
    assert not AuditExport.objects.exists()


def test_a_stranger_is_not_let_in(auditor):
    export_id = order(auditor)
    for path in (EXPORTS, f"{EXPORTS}/{export_id}", f"{EXPORTS}/{export_id}/result"):
        assert ApiClient().get(path).status == 401


def test_an_export_of_someone_else_does_not_exist_for_users_who_see_their_own_only(developer, stranger):
    """No current role has this combination; the scope decides, not the name of the role."""
    mine = with_export_permission(developer)
    theirs = exports.request_export(
        principal=with_export_permission(stranger), export_format="jsonl", criteria=LogCriteria()
    )
    own = exports.request_export(principal=mine, export_format="jsonl", criteria=LogCriteria())
    assert list(exports.find_exports(principal=mine)) == [own]
    for call in (exports.find_export, exports.cancel_export, exports.find_result):
        with pytest.raises(NotFound):
            call(principal=mine, job_id=theirs.id)


def test_a_user_who_reads_their_own_actions_only_exports_no_others(developer, stranger):
    principal = with_export_permission(developer)
    write(2, actor=developer.principal.actor)
    write(2, actor=stranger.principal.actor)
    write(2)
    export = exports.request_export(principal=principal, export_format="jsonl", criteria=LogCriteria())
    work()
    result = exports.find_result(principal=principal, job_id=export.id)
    users = {json.loads(line)["user_id"] for line in result.path.read_bytes().splitlines()}
    assert users == {str(developer.user.id)}
    with pytest.raises(Denied, match="whole log"):
        exports.request_export(principal=principal, export_format="tiles", criteria=LogCriteria())


def with_export_permission(persona):
    return replace(persona.principal, permissions=persona.principal.permissions | {"audit.export"})


def test_a_user_who_may_not_read_the_log_does_not_export_it(auditor):
    blind = replace(auditor.principal, permissions=frozenset({"audit.export"}))
    with pytest.raises(Denied, match=r"audit\.read"):
        exports.request_export(principal=blind, export_format="jsonl", criteria=LogCriteria())


def test_an_export_needs_a_recent_sign_in(auditor):
    old = replace(auditor.principal, auth_time=database_now() - timedelta(minutes=11))
    with pytest.raises(Denied, match="10 minutes"):
        exports.request_export(principal=old, export_format="jsonl", criteria=LogCriteria())
    system = Principal.system("tests", Source.COMMAND)
    assert exports.request_export(principal=system, export_format="jsonl", criteria=LogCriteria())


def test_one_person_has_twenty_exports_at_most(auditor, admin):
    first = order(auditor)
    for _ in range(19):
        order(auditor)
    response = auditor.api.post(EXPORTS, {"format": "jsonl"})
    assert (response.status, response.code) == (422, "too_many_exports")
    order(admin)
    auditor.api.post(f"{EXPORTS}/{first}/cancel")
    order(auditor)


def test_finished_exports_count_while_their_file_is_kept(auditor):
    for _ in range(20):
        order(auditor, object="of no entry")
    work()
    assert auditor.api.post(EXPORTS, {"format": "jsonl"}).code == "too_many_exports"
    AuditExport.objects.update(expires_at=database_now())
    order(auditor)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "format"),
        ({"format": "xml"}, "format"),
        ({"format": "jsonl", "limit": 10}, "limit"),
        ({"format": "jsonl", "before": 10}, "before"),
        ({"format": "jsonl", "outcome": "perhaps"}, "outcome"),
        ({"format": "jsonl", "from": "yesterday"}, "from"),
        ({"format": "jsonl", "from": "2026-02-01T00:00:00Z", "to": "2026-01-01T00:00:00Z"}, "to"),
        ({"format": "tiles", "action": "test.thing.done"}, "action"),
        ({"format": "tiles", "from": "2026-02-01T00:00:00Z"}, "from"),
    ],
)
def test_a_bad_order_is_refused_naming_the_field(auditor, body, field):
    response = auditor.api.post(EXPORTS, body)
    assert (response.status, list(response.json["errors"])) == (400, [field])
    assert not AuditExport.objects.exists()


def test_write_access_to_the_database_does_not_choose_the_file(auditor, home):
    """The name of the file comes from the row, and the key-encryption key is in the same data folder."""
    export_id = order(auditor)
    work()
    for attempt in ("../../kek-1", "..%2f", "x" * 16, "0" * 15, "ABCDEF0123456789"):
        AuditExport.objects.update(attempt=attempt)
        response = fetch(auditor, export_id)
        assert (response.status, response.code) == (503, "integrity_failed")


def test_a_disabled_user_can_neither_request_nor_cancel_nor_fetch_an_export(auditor):
    """A caller authenticated just before the account was disabled is refused."""
    finished = order(auditor)
    work()
    waiting = order(auditor)
    result = exports.find_result(principal=auditor.principal, job_id=finished)
    disable_user(principal=Principal.system("test", Source.COMMAND), user_id=auditor.user.id)
    late = {"principal": auditor.principal}

    with pytest.raises(StaleDecision):
        exports.request_export(**late, export_format="jsonl", criteria=LogCriteria())
    with pytest.raises(StaleDecision):
        exports.cancel_export(**late, job_id=waiting)
    with pytest.raises(StaleDecision):
        exports.open_result(**late, result=result)
    assert not log_rows().filter(action=actions.EXPORT_DOWNLOADED).exists()
