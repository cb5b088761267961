"""One API for the jobs of all kinds, with the permissions and the audit events of each kind."""

from uuid import uuid4

import pytest

from audit.verification.jobs import request_verification
from console.key_encryption.rewraps import request_rewrap
from crypto_ops.reencryption.services.jobs import begin_reencryption
from keys.models import Selection
from keys.rotation.services import jobs
from tests.audit.exports.exporting import fetch, order, work
from tests.endpoints import make_file
from tests.factories import KeyFactory
from tests.log_entries import log_rows

pytestmark = pytest.mark.django_db(transaction=True)

OPERATIONS = "/api/v1/operations"


@pytest.fixture
def submitted(admin):
    """The id of a job of each kind, oldest first."""
    key = KeyFactory(name="orders")
    chosen = jobs.RotationRequest(Selection.KEYS, chosen=[(key.id, 1)])
    rotation = jobs.request_rotation(principal=admin.principal, request=chosen, reason="leaked")
    return {
        "file": str(make_file(admin).id),
        "audit_export": order(admin),
        "key_rotation": str(rotation.id),
        "kek_rewrap": str(request_rewrap(principal=admin.principal).id),
        "log_verification": str(request_verification(principal=admin.principal).id),
        "reencryption": str(begin_reencryption(principal=admin.principal, key_id=key.id, total=2).id),
    }


def listed(persona, query=""):
    response = persona.api.get(f"{OPERATIONS}{query}")
    assert response.status == 200, response.json
    assert response.json["count"] == len(response.json["results"])
    return {job["kind"]: job["id"] for job in response.json["results"]}


def test_everyone_sees_the_jobs_that_they_may_see(submitted, admin, auditor, operator, developer):
    newest = [job["created_at"] for job in admin.api.get(OPERATIONS).json["results"]]
    assert newest == sorted(newest, reverse=True)
    assert listed(admin) == listed(auditor) == submitted
    assert listed(operator) == {kind: job for kind, job in submitted.items() if kind != "audit_export"}
    assert listed(developer) == {}
    for persona, hidden in ((operator, submitted["audit_export"]), (developer, submitted["reencryption"])):
        missing = persona.api.get(f"{OPERATIONS}/{uuid4()}")
        for response in (
            persona.api.get(f"{OPERATIONS}/{hidden}"),
            persona.api.post(f"{OPERATIONS}/{hidden}/cancel"),
            persona.api.get(f"{OPERATIONS}/{hidden}/result"),
        ):
            assert (response.status, response.json["detail"]) == (404, missing.json["detail"])


def test_the_list_is_filtered_and_paginated(submitted, admin):
    work()
    assert listed(admin, "?status=running") == {"reencryption": submitted["reencryption"]}
    assert listed(admin, "?status=succeeded").keys() == submitted.keys() - {"reencryption"}
    assert listed(admin, "?kind=kek_rewrap&status=succeeded") == {"kek_rewrap": submitted["kek_rewrap"]}
    assert listed(admin, "?kind=kek_rewrap&status=pending") == {}
    page = admin.api.get(f"{OPERATIONS}?limit=1&page=2&status=succeeded").json
    assert (page["count"], len(page["results"]), page["next"] is None) == (5, 1, False)
    for query, name in (("?kind=nap", "kind"), ("?status=asleep", "status"), ("?order=newest", "order")):
        refused = admin.api.get(f"{OPERATIONS}{query}")
        assert (refused.status, list(refused.json["errors"])) == (400, [name])


def test_a_job_has_its_progress(submitted, admin):
    job = admin.api.get(f"{OPERATIONS}/{submitted['reencryption']}").json
    assert job.pop("started_at") == job.pop("created_at")
    assert job == {
        "id": submitted["reencryption"],
        "kind": "reencryption",
        "status": "running",
        "finished_at": None,
        "created_by_name": "ada",
        "done": 0,
        "total": 2,
        "unit": "items",
        "error_code": "",
    }


def test_each_kind_is_cancelled_by_its_own_service(submitted, admin):
    for job in submitted.values():
        response = admin.api.post(f"{OPERATIONS}/{job}/cancel")
        assert (response.status, response.json["status"]) == (200, "cancelled"), response.json
        assert admin.api.post(f"{OPERATIONS}/{job}/cancel").code == "conflict"
    recorded = log_rows().filter(
        object_id__in=submitted.values(), outcome="ok", action__endswith=".cancelled"
    )
    assert sorted(recorded.values_list("action", "object_id")) == sorted(
        {
            "audit.export.cancelled": submitted["audit_export"],
            "keys.rotation_job.cancelled": submitted["key_rotation"],
            "audit.verification.cancelled": submitted["log_verification"],
            "console.rewrap.cancelled": submitted["kek_rewrap"],
            "keys.reencryption.cancelled": submitted["reencryption"],
            "keys.file.cancelled": submitted["file"],
        }.items()
    )


def test_a_refusal_has_the_action_of_the_kind(submitted, operator):
    response = operator.api.post(f"{OPERATIONS}/{submitted['reencryption']}/cancel")
    assert (response.status, response.json["rule"]) == (403, "role:operator")
    assert operator.api.post(f"{OPERATIONS}/{uuid4()}/cancel").status == 404
    refused = log_rows().filter(outcome="denied").order_by("id")
    assert list(refused.values_list("action", "object_type")) == [
        ("keys.reencryption.cancelled", "reencryption"),
        ("console.operation.cancelled", "job"),
    ]


def test_the_file_of_a_job_is_downloaded_as_from_its_own_endpoint(submitted, admin):
    export = submitted["audit_export"]
    assert admin.api.get(f"{OPERATIONS}/{export}/result").code == "no_result"
    work()
    response, own = admin.api.get(f"{OPERATIONS}/{export}/result"), fetch(admin, export)
    assert response.status == 200
    assert response.raw.content == own.raw.content
    assert response.headers["Repr-Digest"] == own.headers["Repr-Digest"]
    assert log_rows().filter(action="audit.export.downloaded", object_id=export, outcome="ok").count() == 2
    refused = admin.api.get(f"{OPERATIONS}/{submitted['kek_rewrap']}/result")
    assert (refused.status, refused.json["detail"]) == (404, "A job of the kind kek_rewrap has no file.")
