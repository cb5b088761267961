"""A page and a read cost a fixed number of database statements, independent of the number of rows."""

from dataclasses import replace
from urllib.parse import urlencode

import pytest
from django.contrib.admin import site
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from audit.models import AuditReceipt
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
    WEBHOOK,
    all_routes,
    make_alarm,
    make_delivery,
    make_policy,
    make_target,
    make_user,
    move,
    path_of,
)
from tests.personas import make_persona

pytestmark = pytest.mark.django_db(transaction=True)

CLOCK = int(connection.vendor == "postgresql")  # PostgreSQL provides the time; on SQLite the process does
CALLER = 2  # the epochs; the session with its account
LIST = CALLER + 2  # the count and the rows
# Statements of a repeated GET, including those that begin and end a transaction.
READS = {
    "keys": LIST,
    "key": CALLER,
    "key-public-key": CALLER + 1,
    "keys-import-parameters": CALLER + 1 + CLOCK,
    "key-jwks": CALLER + 5,  # whether it is visible; the epochs, versions and grants; the public keys
    "key-versions": LIST,
    "key-usage": CALLER + 4,  # the totals by version and by caller, the versions, the last use
    "key-impact": CALLER + 3,  # the totals of both periods, the last use
    "passkeys": CALLER + 1,
    "policies": LIST,
    "policy": CALLER + 1,
    "rotations": LIST,
    "sessions": CALLER + 3 + CLOCK,
    "totp": CALLER + 3 + CLOCK,
    "algorithms": CALLER,
    "audit-logs": LIST,
    "audit-log": CALLER + 1,
    "audit-proof": CALLER + 5,
    "audit-checkpoint": CALLER + 5,
    "audit-consistency": CALLER + 3,
    "audit-keys": 1,
    "audit-trail": LIST + 1,  # the entries of the rows
    "audit-alarms": LIST,
    "api-users": LIST + 1 + CLOCK,  # the locked accounts
    "api-user": CALLER + 2 + CLOCK,
    "service-accounts": LIST,
    "service-account": CALLER + 1,
    "tokens": LIST + 1,  # their last use
    "grants": LIST,
    "key-grants": LIST,
    "key-access": CALLER + 3,  # the user or service account, and the grants
    "attention": CALLER + 2,  # the facts, and the open alarms
    "api-notifications": LIST + 1,  # their deliveries
    "webhooks": LIST,
    "webhook": CALLER + 1,
    "webhook-deliveries": LIST + 1,  # the webhook
    "audit-exports": LIST,
    "audit-export": CALLER + 1,
    "audit-export-result": CALLER + 6 + 2 * CLOCK,  # the download is recorded
    "reencryptions": LIST,
    "reencryption": CALLER + 2,  # the job with its keys, the uses of its versions
    "file": CALLER + 1,
    "operations": LIST,
    "operation": CALLER + 2,  # its kind, and the job
    "operation-result": CALLER + 8 + 2 * CLOCK,  # as for an export, after its kind and the job
    "saved-filters": LIST,
    "me": CALLER + 1,
    "jwks": 1 + CLOCK,
    "schema": 0,
    "health": 0,  # its checks have their own threads and connections
    "livez": 0,
    "readyz": 0,
    "metrics": 0,
    "version": 0,
}
# The session, the epochs, the account; the session renewed, in a transaction; the count and the rows.
PAGE = 3 + CLOCK + 3 + 2
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


def add_rows(owner):
    """Add rows to every table; return the objects that a read can name."""
    for _ in range(3):
        target = make_target(owner)
        move(target, "rotated")
        export = make_target(owner, FINISHED_EXPORT)
        account = make_target(owner, SERVICE_ACCOUNT)
        make_target(owner, SERVICE_TOKEN)
        make_target(owner, TAG_GRANT)
        make_alarm()
        policy = make_policy()
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
    size = checkpoint_now().size
    AuditReceipt.objects.create(size=size, anchor="file", receipt="offset 0", anchored_at=database_now())
    enrol(make_persona(f"reader-{size}", "auditor"))
    return replace(
        target,
        export_id=export.export_id,
        user_id=make_user(INVITED).id,
        account_id=account.account_id,
        policy_id=policy.id,
        webhook_id=webhook.webhook_id,
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


def cost_of_reads(reader, target, signing):
    found = {}
    for route in all_routes():
        endpoint = ENDPOINTS[route.name].get("GET")
        if endpoint is not None:
            named = signing if endpoint.state == SIGNING else target
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
    signing = make_target(admin, SIGNING)
    for _ in range(3):
        add_rows(admin)  # if the first page holds everything, the count is skipped
    for _ in range(2):
        target = add_rows(admin)
        assert cost_of_reads(admin, target, signing) == READS
        pages = cost_of_pages(browser)
        assert pages == dict.fromkeys(pages, PAGE) | MORE
