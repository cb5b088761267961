"""A page and a read cost a fixed number of database statements, independent of the number of rows."""

from dataclasses import replace
from urllib.parse import urlencode
from uuid import uuid4

import pytest
from django.contrib.admin import site
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.models import Role
from audit.models import AuditReceipt, LogTarget
from audit.sequencing.running import checkpoint_now
from crypto_ops.models import FileJob, Reencryption
from kernel.clock import database_now
from tests.accounts.test_totp import enrol
from tests.endpoints import (
    ENDPOINTS,
    FINISHED_EXPORT,
    INVITED,
    SERVICE_ACCOUNT,
    SERVICE_TOKEN,
    SIGNING,
    TAG_GRANT,
    UNDER_TEST,
    WEBHOOK,
    all_routes,
    make_alarm,
    make_delivery,
    make_policy,
    make_target,
    make_user,
    make_witness,
    move,
    path_of,
)
from tests.personas import make_persona

pytestmark = pytest.mark.django_db(transaction=True)

# The session, the epochs, the account; the session renewed, in a transaction; the count and the rows.
PAGE = 3 + 3 + 2
# Pages of the admin with more: the values of a column filter, or the entries of changed rows.
FILTERED = (
    "accounts.TokenFamily",
    "ciphercanary.JobRecord",
    "ciphercanary.SystemKey",
    "keys.EncryptionPolicy",
    "keys.Key",
    "keys.KeyGrant",
)
MORE = dict.fromkeys((*FILTERED, "audit.AuditTrail"), PAGE + 1)


def add_rows(owner, count=3):
    """Add rows to every table; return the objects that a read can name."""
    for _ in range(count):
        target = make_target(owner)
        move(target, "rotated")
        export = make_target(owner, FINISHED_EXPORT)
        account = make_target(owner, SERVICE_ACCOUNT)
        make_target(owner, SERVICE_TOKEN)
        make_target(owner, TAG_GRANT)
        make_witness()
        make_alarm()
        policy = make_policy()
        role = Role(name=f"r{uuid4().hex[:8]}", permissions=["users.read"], created_at=database_now())
        role.save_with_mac()
        make_delivery()
        webhook = make_target(owner, WEBHOOK)
        # Without an entry of the log, whose 257th would cost another tile.
        reencryption = Reencryption(
            kind="reencryption",
            key_id=target.key_id,
            target_key_id=target.key_id,
            status="running",
            due_at=None,
        )
        reencryption.save_with_mac()
        file = FileJob(kind="file", key_id=target.key_id, operation="encrypt", upload_size=1)
        file.save_with_mac()
        log_target = LogTarget(url="https://siem.example.org/", root="", created_at=database_now())
        log_target.name = str(log_target.id)
        log_target.save_with_mac()
    size = checkpoint_now().size
    AuditReceipt.objects.create(size=size, anchor="file", receipt="offset 0", anchored_at=database_now())
    enrol(make_persona(f"reader-{size}", "auditor"))
    return replace(
        target,
        export_id=export.export_id,
        user_id=make_user(INVITED).id,
        account_id=account.account_id,
        policy_id=policy.id,
        name=role.name,
        webhook_id=webhook.webhook_id,
        target_id=log_target.id,
        reencryption_id=reencryption.id,
        file_id=file.id,
        operation_id=export.export_id,
    )


def cost(get, path):
    """The number of statements of a repeated request. ``get(path)`` returns the status."""
    assert get(path) == 200, path
    with CaptureQueriesContext(connection) as statements:
        get(path)
    return len(statements)


def cost_of_reads(reader, target, others):
    """``others``: the objects of endpoints that need a key in another state."""
    found = {}
    for route in all_routes():
        endpoint = ENDPOINTS[route.name].get("GET")
        if endpoint is not None:
            named = others.get(endpoint.state, target)
            path = f"{path_of(route, named)}?{urlencode(endpoint.query_of(named))}"
            found[route.name] = cost(lambda path: reader.api.get(path).status, path)
    return found


def cost_of_pages(browser):
    found = {}
    for model in site._registry:
        if model._meta.app_label != "auth":
            path = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
            found[model._meta.label] = cost(lambda path: browser.get(path).status_code, path)
    return found


def test_a_read_and_a_page_of_the_admin_cost_the_same_statements_however_many_rows_there_are(admin):
    browser = Client()
    browser.force_login(admin.user)
    expected = {name: rows["GET"].statements for name, rows in ENDPOINTS.items() if "GET" in rows}
    others = {state: make_target(admin, state) for state in (SIGNING, UNDER_TEST)}
    for _ in range(2):
        add_rows(admin)  # if the first page holds everything, the count is skipped
    for count in (2, 1):  # far from the 257th entry of the log, which would cost another tile
        target = add_rows(admin, count)
        assert cost_of_reads(admin, target, others) == expected
        pages = cost_of_pages(browser)
        assert pages == dict.fromkeys(pages, PAGE) | MORE
