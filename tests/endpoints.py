"""Every endpoint of the API with a request that it accepts: the source of the matrix and the sweeps.

``ENDPOINTS`` is copied by hand from the API contract, independently of ``accounts.roles`` and of the views'
rules. If the product and this table differ, a test fails. A route that is missing here fails the suite too.
"""

import base64
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from hashlib import sha256
from itertools import count
from typing import Any
from urllib.parse import urlencode
from uuid import UUID, uuid4

from django.db import connection
from django.urls import URLPattern, URLResolver, get_resolver
from django.views.generic import RedirectView
from django_otp.oath import totp

from kernel import runtime
from kernel.pages.views import PageView
from tests.audit.witnessing import OtherLog
from tests.log_entries import log_rows
from tests.personas import PASSWORD, Persona, b64, make_persona

DIALECT = "/v1/"  # its endpoints have a contract of their own: tests/dialects
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
PUBLIC, AUTHENTICATED = "public", "authenticated"
# Not open to service tokens: a person must do it, or must have signed in recently.
PERSON, RECENT = "person", "recent_auth_required"
CLOCK = int(connection.vendor == "postgresql")  # PostgreSQL provides the time; on SQLite the process does
CALLER = 2  # the epochs; the session with its account
LIST = CALLER + 2  # the count and the rows
REASON = {"reason": "because the test says so"}
EXPORT, FINISHED_EXPORT, SESSION, PASSKEY = (
    "export",
    "finished export",
    "session",
    "passkey",
)  # states of a target that is not a key
SAVED_FILTER = "saved filter"  # likewise
ALARM = "alarm"  # likewise
SERVICE_ACCOUNT, SERVICE_TOKEN = "service account", "service token"  # likewise
POLICY = "policy"  # likewise
ROLE = "role"  # likewise
REENCRYPTION = "reencryption"  # likewise
FILE = "file"  # likewise
JOB, FINISHED_JOB = "job", "finished job"  # likewise
WEBHOOK, DELIVERY = "webhook", "delivery"  # likewise
LOG_TARGET, DISABLED_LOG_TARGET = "log target", "disabled log target"  # likewise
KEY_GRANT, TAG_GRANT = "grant on the key", "grant on a tag"
# Of RFC 7748 §6.1, as a SubjectPublicKeyInfo (RFC 8410).
X25519_PUBLIC_KEY = bytes.fromhex(
    "302a300506032b656e032100de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f"
)
UNDER_TEST = "under test"  # a key that is disabled for a minute
SIGNING, AUTHENTICATING = "signing", "authenticating"  # an active key that signs, or computes MACs
ENCAPSULATING, AGREEING = "encapsulating", "agreeing"  # an active key for shared secrets
EXPORTABLE = "exportable"  # likewise
USER, INVITED, ENROLLED = "user", "invited user", "user with an authenticator"  # likewise
WITNESS = "witness"  # state of the installation: a witness that has cosigned a checkpoint
SEQUENCED = "sequenced"  # state of the log: a checkpoint covers every entry
_numbers = count(1)


@dataclass(frozen=True)
class Route:
    """One entry of the URLconf: its name, and its path with ``{part}`` for the variable parts."""

    name: str
    path: str
    view: Any


@cache
def all_routes() -> tuple[Route, ...]:
    return tuple(
        route for route in _routes(get_resolver().url_patterns, "/") if not route.name.startswith(DIALECT)
    )


def _routes(patterns, prefix):
    for pattern in patterns:
        path = prefix + str(pattern.pattern)
        if isinstance(pattern, URLPattern):
            view = getattr(pattern.callback, "view_class", None)
            if view is RedirectView or (view is not None and issubclass(view, PageView)):
                continue  # pages have their own tests: tests/pages.py
            yield Route(pattern.name or path, re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", path), pattern.callback)
        elif isinstance(pattern, URLResolver) and path != "/admin/":  # pages, with their own tests
            yield from _routes(pattern.url_patterns, path)


@dataclass(frozen=True)
class Target:
    """The objects of a request; ciphertext and stream name the key, even if it does not exist."""

    key_id: UUID
    ciphertext: str = ""
    stream: bytes = b""
    log_id: int = 0
    export_id: UUID = field(default_factory=uuid4)
    session_id: UUID = field(default_factory=uuid4)
    passkey_id: UUID = field(default_factory=uuid4)
    filter_id: UUID = field(default_factory=uuid4)
    alarm_id: UUID = field(default_factory=uuid4)
    account_id: UUID = field(default_factory=uuid4)
    token_id: UUID = field(default_factory=uuid4)
    grant_id: UUID = field(default_factory=uuid4)
    user_id: UUID = field(default_factory=uuid4)
    policy_id: UUID = field(default_factory=uuid4)
    name: str = "no-such-role"
    webhook_id: UUID = field(default_factory=uuid4)
    delivery_id: UUID = field(default_factory=uuid4)
    target_id: UUID = field(default_factory=uuid4)
    reencryption_id: UUID = field(default_factory=uuid4)
    file_id: UUID = field(default_factory=uuid4)
    operation_id: UUID = field(default_factory=uuid4)
    origin_hash: str = sha256(OtherLog().origin.encode()).hexdigest()


@dataclass(frozen=True)
class Endpoint:
    """One method of one route: the required permission, a good request, and the status of its response.

    ``about`` is the kind of object that the request names. ``state`` is the required state of a key for
    ``status``. ``body`` is built from the target and from the account whose credentials the request may
    contain; bytes are sent unchanged. ``query`` contains the required parameters, or builds them from the
    target. ``is_private``: an object of another user is hidden from everyone else, including users whose
    permission covers all objects. ``not_by_token`` is the rule that refuses service tokens. ``statements`` is the
    number of database statements of a repeated GET, including those that begin and end a transaction.
    """

    permission: str
    status: int = 200
    about: str = ""
    state: str = "active"
    body: Callable[[Target, Persona], Mapping[str, Any] | bytes] | None = None
    query: Mapping[str, str] | Callable[[Target], Mapping[str, str]] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    ends_session: bool = False
    is_private: bool = False
    not_by_token: str = ""
    statements: int = LIST

    def query_of(self, target: Target) -> Mapping[str, str]:
        return self.query(target) if callable(self.query) else self.query


def _crypto(permission, **fields):
    return Endpoint(f"crypto.{permission}", about="key", **fields)


def _ciphertext(target, _account):
    return {"ciphertext": target.ciphertext}


def _page(target, account):
    return {"items": [_ciphertext(target, account)]}


def _reencryption(permission, **fields):
    return Endpoint(permission, about="reencryption", state=REENCRYPTION, **fields)


def _encryption(target, _account):
    return {"key_id": str(target.key_id), "algorithm": "aes-256-gcm", "data": b64(b"plain")}


def _encryptions(target, _account):
    return {"key_id": str(target.key_id), "algorithm": "aes-256-gcm", "items": [{"data": b64(b"plain")}]}


def _decryptions(target, _account):
    return {
        "key_id": str(target.key_id),
        "algorithm": "aes-256-gcm",
        "items": [{"ciphertext": target.ciphertext}],
    }


def _data_key(target, _account):
    return {"key_id": str(target.key_id)}


def _derivation(target, _account):
    return {"key_id": str(target.key_id), "context": b64(b"tenant 7"), "bits": 256}


def _signing(target, _account):
    return {"key_id": str(target.key_id), "signing_algorithm": "ed25519", "message": b64(b"plain")}


def _verification(target, account):
    return {**_signing(target, account), "signature": b64(bytes(64))}


def _mac(target, _account):
    return {"key_id": str(target.key_id), "message": b64(b"plain")}


def _mac_verification(target, account):
    return {**_mac(target, account), "mac": b64(bytes(32))}


def _encapsulation(target, _account):
    return {"key_id": str(target.key_id)}


def _decapsulation(target, account):
    return {**_encapsulation(target, account), "key_version": 1, "ciphertext": b64(bytes(1088))}


def _agreement(target, account):
    return {**_encapsulation(target, account), "public_key": b64(X25519_PUBLIC_KEY)}


def _signings(target, _account):
    items = [{"message": b64(b"plain")}]
    return {"key_id": str(target.key_id), "signing_algorithm": "ed25519", "items": items}


def _signings_to_verify(target, account):
    items = [{"message": b64(b"plain"), "signature": b64(bytes(64))}]
    return {**_signings(target, account), "items": items}


def _macs(target, _account):
    return {"key_id": str(target.key_id), "items": [{"message": b64(b"plain")}]}


def _macs_to_verify(target, _account):
    items = [{"message": b64(b"plain"), "mac": b64(bytes(32))}]
    return {"key_id": str(target.key_id), "items": items}


def _jwt(target, _account):
    return {"key_id": str(target.key_id), "claims": {"sub": "canary"}}


def _crypto_stream(permission, **fields):
    return _crypto(permission, headers={"Content_Type": "application/octet-stream"}, **fields)


def _key_query(target):
    return {"key_id": str(target.key_id)}


def _key_action(permission, state="active", status=200, **fields):
    return Endpoint(permission, status, about="key", state=state, body=lambda *_: REASON, **fields)


def _export(state=EXPORT, **fields):
    return Endpoint("audit.export", about="export", state=state, **fields)


def _new_filter(*_):
    return {"name": f"filter-{next(_numbers)}", "filters": {"outcome": "denied"}}


def _new_user(*_):
    return {"username": f"user-{next(_numbers)}-{uuid4().hex[:8]}", "role": "developer"}


def _user(state=USER, status=200, **fields):
    return Endpoint("users.manage", status, about="user", state=state, **fields)


def _new_key(*_):
    return {"name": f"made-{next(_numbers)}-{uuid4().hex[:8]}", "algorithm": "aes-256"}


def _new_role(*_):
    return {"name": f"r-{next(_numbers)}-{uuid4().hex[:8]}", "permissions": ["users.read"]}


def _import(*_):
    return {**_new_key(), "format": "raw", "material": b64(bytes(range(32)))}


def _deletion(target, _account):
    return {**REASON, "confirm_name": _name_of(target)}


def _name_of(target):
    from keys.models import Key  # noqa: PLC0415 - models need a set-up Django

    names = Key.objects.filter(pk=target.key_id).values_list("name", flat=True)
    return names.first() or "missing"


def _new_policy(*_):
    return {"name": f"policy-{next(_numbers)}-{uuid4().hex[:8]}", "algorithm": "aes-256"}


def _policy(permission, status=200, **fields):
    return Endpoint(permission, status, about="policy", state=POLICY, **fields)


def _transfer(_target, account):
    owner = account.principal.identity
    if not account.user.rights.use_keys:
        owner = make_persona(f"owner-{next(_numbers)}", "developer").user.identity
    return {"owner_type": owner.type.value, "owner_id": str(owner.id), **REASON}


def _successor(*_):
    return {"name": f"made-{next(_numbers)}-{uuid4().hex[:8]}", **REASON}


def _sign_in(_target, account):
    return {"username": account.user.username, "password": PASSWORD}


def _refresh(_target, account):
    return {"refresh_token": account.refresh_token}


def code_to_confirm(_target, account):
    """Enrol an authenticator for the account; return its current code."""
    from accounts.second_factors.services import totp as second_factors  # noqa: PLC0415 - models need a set-up Django

    secret = second_factors.enrol_totp(principal=account.principal).secret
    return {"code": f"{totp(base64.b32decode(secret)):06d}"}


def _recovery_code(_target, account):
    from accounts.second_factors.services import totp as second_factors  # noqa: PLC0415 - models need a set-up Django

    codes = second_factors.confirm_totp(principal=account.principal, **code_to_confirm(None, account))
    return {"code": codes[0]}


def _authenticator(_target, account):
    """Enrol an authenticator, whose codes the request replaces; the body is empty."""
    _recovery_code(None, account)
    return {}


def _new_password(*_):
    return {"current": PASSWORD, "new": "another horse, another staple"}


def _grant(_target, _account):
    return {"principal_type": "role", "principal_id": "developer", "operations": ["encrypt"]}


def _tag_grant(_target, _account):
    return {**_grant(None, None), "tag": f"tag-{next(_numbers)}"}


def _access_query(_target):
    from accounts.models import User  # noqa: PLC0415 - models need a set-up Django

    return {"principal": str(User.objects.values_list("id", flat=True).first()), "operation": "encrypt"}


def _new_account(*_):
    return {"name": f"made-{next(_numbers)}-{uuid4().hex[:8]}", "role": "developer"}


def _new_token(*_):
    return {
        "name": "nightly",
        "scopes": ["keys.read"],
        "expires_at": (datetime.now(UTC) + timedelta(days=1)).isoformat(),
    }


def _new_webhook(*_):
    return {"name": "chat", "url": "https://hooks.example.org/keys", "topics": ["job.failed"]}


def _webhook(status=200, **fields):
    return Endpoint("webhooks.manage", status, about="webhook", state=WEBHOOK, **fields)


def _new_log_target(*_):
    return {"name": f"siem-{next(_numbers)}", "url": "https://siem.example.org/T0KEN", "format": "ocsf"}


def _log_target(permission="system.manage", status=200, state=LOG_TARGET, **fields):
    return Endpoint(permission, status, about="log target", state=state, **fields)


def _client_credentials(_target, _account):
    from accounts.service_accounts.services import accounts as service_accounts  # noqa: PLC0415 - models need a set-up Django

    made = service_accounts.create_service_account(principal=_system(), **_new_account())
    form = {
        "grant_type": "client_credentials",
        "client_id": str(made.account.id),
        "client_secret": made.client_secret,
    }
    return urlencode(form).encode()


ENDPOINTS: Mapping[str, Mapping[str, Endpoint]] = {
    # keys
    "keys": {"GET": Endpoint("keys.read"), "POST": Endpoint("keys.create", 201, body=_new_key)},
    "key": {
        "GET": Endpoint("keys.read", about="key", statements=CALLER),
        "PATCH": Endpoint("keys.update", about="key", body=lambda *_: {"description": "changed"}),
    },
    "keys-import": {"POST": Endpoint("keys.import", 201, body=_import)},
    "keys-import-parameters": {"GET": Endpoint("keys.import", statements=CALLER + 1 + CLOCK)},
    "key-export": {"POST": _key_action("keys.export", EXPORTABLE, not_by_token=RECENT)},
    "key-rotate": {"POST": _key_action("keys.rotate", status=201)},
    "key-transfer": {"POST": Endpoint("keys.grant", about="key", body=_transfer, not_by_token=RECENT)},
    "key-succeed": {"POST": Endpoint("keys.revoke", 201, about="key", body=_successor, not_by_token=RECENT)},
    "key-activate": {"POST": _key_action("keys.disable", "pre_activation")},
    "key-disable": {"POST": _key_action("keys.disable")},
    "key-enable": {"POST": _key_action("keys.disable", "suspended")},
    "key-revoke": {"POST": _key_action("keys.revoke")},
    "key-schedule-deletion": {
        "POST": Endpoint("keys.destroy", about="key", body=_deletion, not_by_token=RECENT),
    },
    "key-cancel-deletion": {"POST": _key_action("keys.destroy", "deletion_scheduled")},
    "key-version-schedule-destruction": {
        "POST": Endpoint("keys.destroy", about="key", state="rotated", body=_deletion, not_by_token=RECENT),
    },
    "key-version-cancel-destruction": {
        "POST": _key_action("keys.destroy", "rotated, first version scheduled"),
    },
    "policies": {
        "GET": Endpoint("policies.read"),
        "POST": Endpoint("policies.manage", 201, body=_new_policy),
    },
    "policy": {
        "GET": _policy("policies.read", statements=CALLER + 1),
        "PATCH": _policy("policies.manage", body=lambda *_: {"key_lifetime_days": 90}),
        "DELETE": _policy("policies.manage", 204),
    },
    "policy-preview": {"POST": _policy("policies.manage", body=lambda *_: {"key_lifetime_days": 90})},
    "key-versions": {"GET": Endpoint("keys.read", about="key")},
    "key-public-key": {"GET": Endpoint("keys.read", about="key", state=SIGNING, statements=CALLER + 1)},
    "key-jwks": {
        "GET": Endpoint("keys.read", about="key", state=SIGNING, statements=CALLER + 5)
    },  # whether it is visible; the epochs, versions and grants; the public keys
    "key-csr": {"POST": _crypto("sign", state=SIGNING, body=lambda *_: {"subject": "CN=www.example.org"})},
    "key-usage": {
        "GET": Endpoint("keys.read", about="key", statements=CALLER + 4)
    },  # the totals by version and by caller, the versions, the last use
    "key-impact": {
        "GET": Endpoint(
            "keys.read", about="key", query={"action": "disable"}, statements=CALLER + 3
        )  # the totals of both periods, the last use
    },
    "key-scream-test": {
        "GET": Endpoint("keys.read", about="key", state=UNDER_TEST, statements=CALLER + 2)
    },  # the decisions, and the denials: there are none, so no names of callers
    "key-version-disable": {"POST": _key_action("keys.disable", "rotated")},
    "key-version-enable": {"POST": _key_action("keys.disable", "rotated, first version disabled")},
    "rotations": {"GET": Endpoint("keys.read")},
    # access
    "key-grants": {
        "GET": Endpoint("users.read", about="key"),
        "POST": Endpoint("keys.grant", 201, about="key", body=_grant),
    },
    "key-grant": {"DELETE": Endpoint("keys.grant", 204, about="key", state=KEY_GRANT)},
    "key-access": {
        "GET": Endpoint("users.read", about="key", query=_access_query, statements=CALLER + 3)
    },  # the user or service account, and the grants
    "grants": {"GET": Endpoint("users.read"), "POST": Endpoint("keys.grant", 201, body=_tag_grant)},
    "grant": {"DELETE": Endpoint("keys.grant", 204, about="grant", state=TAG_GRANT)},
    "api-roles": {
        "GET": Endpoint("users.read", statements=CALLER + 2),  # the rows, and their rights
        "POST": Endpoint("users.manage", 201, body=_new_role, not_by_token=RECENT),
    },
    "api-role": {
        "GET": Endpoint("users.read", about="role", state=ROLE, statements=CALLER + 2),
        "PATCH": Endpoint(
            "users.manage",
            about="role",
            state=ROLE,
            body=lambda *_: {"permissions": ["users.read", "users.manage"]},
            not_by_token=RECENT,
        ),
        "DELETE": Endpoint("users.manage", 204, about="role", state=ROLE, not_by_token=RECENT),
    },
    "service-accounts": {
        "GET": Endpoint("users.read"),
        "POST": Endpoint("users.manage", 201, body=_new_account, not_by_token=RECENT),
    },
    "service-account": {
        "GET": Endpoint("users.read", about="account", state=SERVICE_ACCOUNT, statements=CALLER + 1),
        "PATCH": Endpoint(
            "users.manage",
            about="account",
            state=SERVICE_ACCOUNT,
            body=lambda *_: {"description": "changed"},
        ),
    },
    "service-account-rotate-secret": {
        "POST": Endpoint(
            "users.manage",
            about="account",
            state=SERVICE_ACCOUNT,
            body=lambda *_: {"overlap_hours": 1},
            not_by_token=RECENT,
        )
    },
    "tokens": {
        "GET": Endpoint("tokens.manage", statements=LIST + 1),  # their last use
        "POST": Endpoint("tokens.manage", 201, body=_new_token),
    },
    "token": {"DELETE": Endpoint("tokens.manage", 204, about="token", state=SERVICE_TOKEN)},
    "token-rotate": {
        "POST": Endpoint(
            "tokens.manage", 201, about="token", state=SERVICE_TOKEN, body=lambda *_: {"overlap_hours": 1}
        )
    },
    "oauth-token": {
        "POST": Endpoint(
            PUBLIC,
            body=_client_credentials,
            headers={"Content_Type": "application/x-www-form-urlencoded"},
        )
    },
    # operations
    "encrypt": {"POST": _crypto("encrypt", body=_encryption)},
    "decrypt": {"POST": _crypto("decrypt", body=_ciphertext)},
    "encrypt-batch": {"POST": _crypto("encrypt", body=_encryptions)},
    "decrypt-batch": {"POST": _crypto("decrypt", body=_decryptions)},
    "reencrypt": {"POST": _crypto("reencrypt", body=_ciphertext)},
    "reencryptions": {
        "GET": Endpoint("operations.read"),
        "POST": _crypto("reencrypt", status=201, body=lambda target, _: {"key_id": str(target.key_id)}),
    },
    "reencryption": {
        "GET": _reencryption("operations.read", statements=CALLER + 2)
    },  # the job with its keys, the uses of its versions
    "reencryption-pages": {"POST": _reencryption("crypto.reencrypt", body=_page)},
    "reencryption-complete": {"POST": _reencryption("crypto.reencrypt")},
    "reencryption-cancel": {"POST": _reencryption("crypto.reencrypt")},
    "sign": {"POST": _crypto("sign", state=SIGNING, body=_signing)},
    "verify": {"POST": _crypto("verify", state=SIGNING, body=_verification)},
    "mac": {"POST": _crypto("mac", state=AUTHENTICATING, body=_mac)},
    "mac-verify": {"POST": _crypto("verify", state=AUTHENTICATING, body=_mac_verification)},
    "encapsulate": {"POST": _crypto("encapsulate", state=ENCAPSULATING, body=_encapsulation)},
    "decapsulate": {"POST": _crypto("decapsulate", state=ENCAPSULATING, body=_decapsulation)},
    "shared-secret": {"POST": _crypto("agree", state=AGREEING, body=_agreement)},
    "inspect": {"POST": _crypto("inspect", body=_ciphertext)},
    "sign-batch": {"POST": _crypto("sign", state=SIGNING, body=_signings)},
    "verify-batch": {"POST": _crypto("verify", state=SIGNING, body=_signings_to_verify)},
    "mac-batch": {"POST": _crypto("mac", state=AUTHENTICATING, body=_macs)},
    "mac-verify-batch": {"POST": _crypto("verify", state=AUTHENTICATING, body=_macs_to_verify)},
    "jwt-sign": {"POST": _crypto("jwt", state=SIGNING, body=_jwt)},
    "data-keys": {"POST": _crypto("data_key", body=_data_key)},
    "derive": {"POST": _crypto("derive", body=_derivation)},
    "stream-encrypt": {
        "POST": _crypto_stream("encrypt", body=lambda *_: b"plain", query=_key_query),
    },
    "stream-decrypt": {"POST": _crypto_stream("decrypt", body=lambda target, _: target.stream)},
    "files": {
        "POST": _crypto_stream(
            "encrypt",
            status=202,
            body=lambda *_: b"plain",
            query=lambda target: {"operation": "encrypt", **_key_query(target)},
        ),
    },
    "file": {"GET": Endpoint("operations.read", about="file", state=FILE, statements=CALLER + 1)},
    "random": {"POST": Endpoint("crypto.random", body=lambda *_: {"bytes": 16})},
    "algorithms": {"GET": Endpoint(AUTHENTICATED, statements=CALLER)},
    # audit
    "audit-logs": {"GET": Endpoint("audit.read", statements=LIST + 1)},  # the newest segment
    "audit-log": {"GET": Endpoint("audit.read", about="log", statements=CALLER + 1)},
    "audit-proof": {"GET": Endpoint("audit.read", about="log", state=SEQUENCED, statements=CALLER + 5)},
    "audit-checkpoint": {"GET": Endpoint("audit.read", state=SEQUENCED, statements=CALLER + 7)},
    "audit-consistency": {
        "GET": Endpoint("audit.read", state=SEQUENCED, query={"from": "1"}, statements=CALLER + 3)
    },
    "audit-keys": {"GET": Endpoint(PUBLIC, statements=1)},
    "witness-add-checkpoint": {
        "POST": Endpoint(PUBLIC, state=WITNESS, body=lambda *_: OtherLog().request(3, 3))
    },
    "witness-key": {"GET": Endpoint(PUBLIC, state=WITNESS, statements=2)},
    "witness-checkpoint": {"GET": Endpoint(PUBLIC, state=WITNESS, statements=1)},
    "audit-trail": {"GET": Endpoint("audit.read", statements=LIST + 1)},  # the entries of the rows
    "audit-alarms": {"GET": Endpoint("system.read")},
    "audit-alarm-resolve": {
        "POST": Endpoint(
            "audit.resolve", about="alarm", state=ALARM, body=lambda *_: REASON, not_by_token=RECENT
        ),
    },
    "audit-segments": {"GET": Endpoint("system.read")},
    "api-log-targets": {
        "GET": Endpoint("system.read", statements=LIST + 2 + CLOCK),  # the tree, and the lags
        "POST": Endpoint("system.manage", 201, body=_new_log_target, not_by_token=RECENT),
    },
    "api-log-target": {
        "GET": _log_target("system.read", statements=CALLER + 3 + CLOCK),
        "PATCH": _log_target(body=lambda *_: {"format": "ecs"}, not_by_token=RECENT),
        "DELETE": _log_target(status=204, not_by_token=RECENT),
    },
    "api-log-target-enable": {"POST": _log_target(state=DISABLED_LOG_TARGET, not_by_token=RECENT)},
    "api-log-target-disable": {"POST": _log_target(not_by_token=RECENT)},
    "api-log-target-position": {"POST": _log_target(body=lambda *_: {"size": None}, not_by_token=RECENT)},
    "api-log-target-test": {"POST": _log_target(status=202)},
    "audit-exports": {
        "GET": Endpoint("audit.export"),
        "POST": Endpoint("audit.export", 202, body=lambda *_: {"format": "jsonl"}, not_by_token=RECENT),
    },
    "audit-export": {"GET": _export(statements=CALLER + 1)},
    "audit-export-cancel": {"POST": _export()},
    "audit-export-result": {
        "GET": _export(FINISHED_EXPORT, statements=CALLER + 6 + 2 * CLOCK)
    },  # the download is recorded
    "saved-filters": {
        "GET": Endpoint("audit.read"),
        "POST": Endpoint("audit.read", 201, body=_new_filter),
    },
    "saved-filter": {
        "DELETE": Endpoint("audit.read", 204, about="filter", state=SAVED_FILTER, is_private=True),
    },
    # users
    "api-users": {
        "GET": Endpoint("users.read", statements=LIST + 1 + CLOCK),  # the locked accounts
        "POST": Endpoint("users.manage", 201, body=_new_user, not_by_token=RECENT),
    },
    "api-user": {
        "GET": Endpoint("users.read", about="user", state=USER, statements=CALLER + 2 + CLOCK),
        "PATCH": _user(body=lambda *_: {"role": "user_manager", **REASON}, not_by_token=RECENT),
    },
    "api-user-invitation": {"POST": _user(INVITED, not_by_token=RECENT), "DELETE": _user(INVITED, 204)},
    "api-user-password-reset": {"POST": _user(body=lambda *_: REASON, not_by_token=RECENT)},
    "api-user-sign-out": {"POST": _user(body=lambda *_: REASON)},
    "api-user-unlock": {"POST": _user()},
    "api-user-reset-totp": {"POST": _user(ENROLLED, body=lambda *_: REASON, not_by_token=RECENT)},
    # notifications
    "api-notifications": {"GET": Endpoint("system.read", statements=LIST + 1)},  # their deliveries
    "api-delivery-retry": {"POST": Endpoint("webhooks.manage", about="delivery", state=DELIVERY)},
    "webhooks": {
        "GET": Endpoint("webhooks.manage"),
        "POST": Endpoint("webhooks.manage", 201, body=_new_webhook, not_by_token=RECENT),
    },
    "webhook": {
        "GET": _webhook(statements=CALLER + 1),
        "PATCH": _webhook(body=lambda *_: {"name": "changed"}, not_by_token=RECENT),
        "DELETE": _webhook(204, not_by_token=RECENT),
    },
    "webhook-rotate-secret": {"POST": _webhook(not_by_token=RECENT)},
    "webhook-test": {"POST": _webhook(202)},
    "webhook-deliveries": {"GET": _webhook(statements=LIST + 1)},  # the webhook
    # console
    "attention": {
        "GET": Endpoint(AUTHENTICATED, not_by_token=PERSON, statements=CALLER + 5 + CLOCK)
    },  # the facts, and the open alarms; the log targets, the tree, and the lags
    "operations": {"GET": Endpoint("operations.read")},
    "operation": {
        "GET": Endpoint("operations.read", about="job", state=JOB, statements=CALLER + 2)
    },  # its kind, and the job
    "operation-cancel": {"POST": Endpoint("operations.read", about="job", state=JOB)},
    "operation-result": {
        "GET": Endpoint(
            "operations.read", about="job", state=FINISHED_JOB, statements=CALLER + 8 + 2 * CLOCK
        )  # as for an export, after its kind and the job
    },
    # authentication
    "log-in": {"POST": Endpoint(PUBLIC, body=_sign_in)},
    "refresh": {"POST": Endpoint(PUBLIC, body=_refresh)},
    "log-out": {"POST": Endpoint(PUBLIC, 204, body=_refresh, ends_session=True)},
    "me": {"GET": Endpoint(AUTHENTICATED, not_by_token=PERSON, statements=CALLER + 1)},
    "change-password": {
        "POST": Endpoint(AUTHENTICATED, 204, body=_new_password, ends_session=True, not_by_token=PERSON)
    },
    "totp": {
        "GET": Endpoint(AUTHENTICATED, not_by_token=PERSON, statements=CALLER + 3 + CLOCK),
        "DELETE": Endpoint(AUTHENTICATED, 204, body=_recovery_code, not_by_token=PERSON),
    },
    "enrol-totp": {"POST": Endpoint(AUTHENTICATED, not_by_token=RECENT)},
    "confirm-totp": {"POST": Endpoint(AUTHENTICATED, body=code_to_confirm, not_by_token=RECENT)},
    "recovery-codes": {"POST": Endpoint(AUTHENTICATED, body=_authenticator, not_by_token=RECENT)},
    "sessions": {
        "GET": Endpoint(AUTHENTICATED, not_by_token=PERSON, statements=CALLER + 3 + CLOCK),
        "DELETE": Endpoint(AUTHENTICATED, 204, not_by_token=PERSON),
    },
    "passkeys": {"GET": Endpoint(AUTHENTICATED, not_by_token=PERSON, statements=CALLER + 1)},
    "passkey": {"DELETE": Endpoint(AUTHENTICATED, 204, about="passkey", state=PASSKEY, not_by_token=RECENT)},
    "session": {"DELETE": Endpoint(AUTHENTICATED, 204, about="session", state=SESSION, not_by_token=PERSON)},
    "jwks": {"GET": Endpoint(PUBLIC, statements=1 + CLOCK)},
    # the service itself
    "schema": {"GET": Endpoint(PUBLIC, statements=0)},
    "health": {"GET": Endpoint(PUBLIC, statements=0)},  # its checks have their own threads and connections
    "livez": {"GET": Endpoint(PUBLIC, statements=0)},
    "readyz": {"GET": Endpoint(PUBLIC, statements=0)},
    "metrics": {"GET": Endpoint(PUBLIC, statements=0)},  # to loopback, the origin of these tests
    "version": {"GET": Endpoint(PUBLIC, statements=0)},
}


NEW_SECRETS = {
    ("service-account-rotate-secret", "POST"),
    ("api-user-invitation", "POST"),
    ("api-user-password-reset", "POST"),
    ("webhook-rotate-secret", "POST"),
}


def creating() -> list[tuple[Route, str, Endpoint]]:
    """The endpoints that create or rotate something. Each accepts Idempotency-Key, except uploads, which may be long."""
    return [
        (route, method, endpoint)
        for route in all_routes()
        for method, endpoint in ENDPOINTS[route.name].items()
        if (endpoint.status in {201, 202} and route.name != "files") or (route.name, method) in NEW_SECRETS
    ]


def endpoint_of(route: Route, method: str) -> Endpoint | None:
    return ENDPOINTS[route.name].get("GET" if method == "HEAD" else method)


def path_of(route: Route, target: Target) -> str:
    return route.path.format(
        key_id=target.key_id,
        version=1,
        log_id=target.log_id,
        export_id=target.export_id,
        session_id=target.session_id,
        passkey_id=target.passkey_id,
        filter_id=target.filter_id,
        alarm_id=target.alarm_id,
        account_id=target.account_id,
        token_id=target.token_id,
        grant_id=target.grant_id,
        user_id=target.user_id,
        policy_id=target.policy_id,
        name=target.name,
        webhook_id=target.webhook_id,
        delivery_id=target.delivery_id,
        target_id=target.target_id,
        reencryption_id=target.reencryption_id,
        file_id=target.file_id,
        operation_id=target.operation_id,
        origin_hash=target.origin_hash,
    )


def make_target(owner: Persona, state: str = "active") -> Target:
    """Create a target of the owner: a key in ``state``, a ciphertext, and a log entry about one of the
    owner's actions.

    It may instead be an export, a saved filter or another object. It is created with every permission, as if
    the owner had had another role before.
    """
    if state in _MAKERS:
        part, make = _MAKERS[state]
        return replace(missing_target(), **{part: make(owner)})
    from accounts.roles import PERMISSIONS  # noqa: PLC0415 - models need a set-up Django
    from tests.factories import GrantFactory, KeyFactory  # noqa: PLC0415

    pending = {"activates_at": _now() + timedelta(days=1)} if state == "pre_activation" else {}
    name = f"target-{next(_numbers)}-{uuid4().hex[:8]}"
    creator = replace(owner.principal, stamp=None, permissions=PERMISSIONS)
    algorithm = {
        SIGNING: "ed25519",
        AUTHENTICATING: "hmac-sha256",
        ENCAPSULATING: "ml-kem-768",
        AGREEING: "x25519",
    }.get(state, "aes-256")
    key = KeyFactory(
        principal=creator, name=name, algorithm=algorithm, exportable=state == EXPORTABLE, **pending
    )
    entry = log_rows().filter(object_id=str(key.id)).latest("id")
    sealing = None if pending or key.purpose != "encrypt" else key.id
    target = Target(key.id, _seal(key.id, sealing), _seal_stream(key.id, sealing), entry.id)
    if state == KEY_GRANT:
        return replace(target, grant_id=GrantFactory(key=key, principal_id="admin").id)
    move(target, state)
    return target


def missing_target(state: str = "") -> Target:
    if state == SEQUENCED:
        _sequence()
    if state == WITNESS:
        make_witness()
    return Target(key_id := uuid4(), _seal(key_id, None), _seal_stream(key_id, None), 2**53 - 1)


def _sequence() -> None:
    from audit.sequencing.running import checkpoint_now  # noqa: PLC0415 - models need a set-up Django

    checkpoint_now()


def _system() -> Any:
    from accounts.principals import Principal  # noqa: PLC0415 - models need a set-up Django

    return Principal.system("tests", "command")


def _make_access(owner: Persona, state: str) -> UUID:
    """Create a service account, a token of the owner, or a grant on a tag."""
    from tests.factories import (  # noqa: PLC0415 - models need a set-up Django
        GrantFactory,
        ServiceAccountFactory,
        TokenFactory,
    )

    if state == SERVICE_ACCOUNT:
        return ServiceAccountFactory().id
    if state == TAG_GRANT:
        return GrantFactory(tag=uuid4().hex, principal_id="admin").id
    if owner.principal.limits:  # a service account has no other token
        return owner.principal.limits.token_id
    return TokenFactory(principal=owner.principal, scopes=["keys.read"]).token.id


def make_passkey(user: Any) -> Any:
    """Create a passkey of the user that belongs to no device."""
    from accounts.models import Passkey  # noqa: PLC0415 - models need a set-up Django

    credential_id = uuid4().bytes
    passkey = Passkey(user=user, name="a telephone", credential_id=credential_id, public_key=b"of no device")
    passkey.credential_id_sha256 = Passkey.get_credential_id_sha256(credential_id)
    passkey.save_with_mac()
    return passkey


def _make_session(owner: Persona) -> UUID:
    """Open a second session of the owner, besides the one that sends the requests."""
    from accounts.models import TokenFamily  # noqa: PLC0415 - models need a set-up Django
    from accounts.origin import Origin  # noqa: PLC0415
    from accounts.sessions.services.sessions import open_session  # noqa: PLC0415

    open_session(owner.user, "password", Origin(client_ip="127.0.0.1", user_agent="tests", request_id="test"))
    return TokenFamily.objects.filter(user=owner.user).latest("auth_time").id


def _make_export(owner: Persona, state: str) -> UUID:
    from accounts.roles import PERMISSIONS  # noqa: PLC0415 - models need a set-up Django
    from audit.browse.selection import LogCriteria  # noqa: PLC0415
    from audit.services import exports  # noqa: PLC0415
    from kernel.jobs.running import run_job  # noqa: PLC0415

    principal = replace(owner.principal, stamp=None, permissions=PERMISSIONS, auth_time=_now())
    criteria = LogCriteria(object_id="of no entry")
    export = exports.request_export(principal=principal, export_format="jsonl", criteria=criteria)
    if state == FINISHED_EXPORT:
        run_job("audit_export", export.id, lambda: False)
    return export.id


def _make_filter(owner: Persona) -> UUID:
    from audit.services.saved_filters import save_filter  # noqa: PLC0415 - models need a set-up Django

    return save_filter(principal=owner.principal, **_new_filter()).id


def make_reencryption(owner: Persona) -> Any:
    """Begin a job with a new key of the owner."""
    from accounts.roles import PERMISSIONS  # noqa: PLC0415 - models need a set-up Django
    from crypto_ops.reencryption.services.jobs import begin_reencryption  # noqa: PLC0415
    from tests.factories import KeyFactory  # noqa: PLC0415

    principal = replace(owner.principal, stamp=None, permissions=PERMISSIONS)
    key = KeyFactory(principal=principal, **_new_key())
    return begin_reencryption(principal=principal, key_id=key.id, total=2)


def make_file(owner: Persona, *, is_finished: bool = False) -> Any:
    """A file job with a new key of the owner."""
    from accounts.roles import PERMISSIONS  # noqa: PLC0415 - models need a set-up Django
    from crypto_ops.files.uploads import FileRequest, Upload  # noqa: PLC0415
    from crypto_ops.models import FileJob, FileOperation  # noqa: PLC0415
    from kernel.jobs.running import run_job  # noqa: PLC0415
    from tests.factories import KeyFactory  # noqa: PLC0415

    principal = replace(owner.principal, stamp=None, permissions=PERMISSIONS)
    key = KeyFactory(principal=principal, **_new_key())
    order = FileRequest(operation=FileOperation.ENCRYPT, key_id=key.id)
    with Upload(principal, order, render=lambda _: b"") as upload:
        upload.write(b"plain")
        upload.finish()
    if is_finished:
        run_job("file", upload.job_id, lambda: False)
    return FileJob.objects.get(pk=upload.job_id)


def make_user(state: str = USER) -> Any:
    """Create a developer in the state."""
    from accounts.principals import Principal  # noqa: PLC0415
    from accounts.second_factors.services import totp as second_factors  # noqa: PLC0415 - models need a set-up Django
    from accounts.users.services import invitations  # noqa: PLC0415 - models need a set-up Django

    username = str(_new_user()["username"])
    if state == INVITED:
        system = Principal.system("tests", "command")
        return invitations.invite_user(principal=system, username=username, role="developer").user
    persona = make_persona(username, "developer")
    if state == ENROLLED:
        second_factors.confirm_totp(principal=persona.principal, **code_to_confirm(None, persona))
    return persona.user


def make_alarm() -> Any:
    """Raise a new open alarm of the log."""
    from audit.models import AuditAlarm  # noqa: PLC0415
    from audit.sequencing.alarms import Alarm, AlarmKind  # noqa: PLC0415 - models need a set-up Django
    from audit.services.alarms import raise_alarms  # noqa: PLC0415

    alarm = Alarm(kind=AlarmKind.ENTRY_ALTERED, log_id=1, expected="a leaf", found=uuid4().hex)
    raise_alarms([alarm])
    return AuditAlarm.objects.get(evidence=alarm.evidence)


def make_segment(**values: Any) -> Any:
    """Add the row of the next segment of the archive, without a file. Three of its entries stay in the database."""
    from audit.archive.contents import encode_kept  # noqa: PLC0415 - models need a set-up Django
    from audit.models import AuditSegment  # noqa: PLC0415

    number = AuditSegment.objects.count()
    first = number * AuditSegment.ENTRIES + 1
    ids = {"first_id": first, "last_id": first + AuditSegment.ENTRIES - 1, "kept": encode_kept([0, 9, 63])}
    times = dict.fromkeys(("first_at", "last_at", "archived_at", "removed_at"), _now())
    file = {"removed": "{}", "sha256": "ab" * 32, "size": 1500}
    row = AuditSegment(number=number, **ids | file | times | values)
    row.save_with_mac()
    return row


def make_policy() -> Any:
    from tests.factories import PolicyFactory  # noqa: PLC0415 - models need a set-up Django

    return PolicyFactory(**_new_policy())


def make_webhook() -> Any:
    from notifications.services import webhooks  # noqa: PLC0415 - models need a set-up Django

    return webhooks.create_webhook(principal=_system(), **_new_webhook()).webhook


def make_log_target(**values: Any) -> Any:
    from audit.services import log_targets  # noqa: PLC0415 - models need a set-up Django

    return log_targets.create_log_target(principal=_system(), values=_new_log_target(), **values)


def make_delivery(webhook: Any = None) -> Any:
    """Queue a test for a webhook, a new one without an argument."""
    from notifications.services import testing  # noqa: PLC0415 - models need a set-up Django

    return testing.send_test(principal=_system(), webhook_id=(webhook or make_webhook()).id)


# The states of objects that are not keys: the part of the target, and a function that creates the object.
_MAKERS: Mapping[str, tuple[str, Callable[[Persona], Any]]] = {
    PASSKEY: ("passkey_id", lambda owner: make_passkey(owner.user).id),
    SESSION: ("session_id", _make_session),
    EXPORT: ("export_id", lambda owner: _make_export(owner, EXPORT)),
    FINISHED_EXPORT: ("export_id", lambda owner: _make_export(owner, FINISHED_EXPORT)),
    SAVED_FILTER: ("filter_id", _make_filter),
    USER: ("user_id", lambda _: make_user().id),
    INVITED: ("user_id", lambda _: make_user(INVITED).id),
    ENROLLED: ("user_id", lambda _: make_user(ENROLLED).id),
    ALARM: ("alarm_id", lambda _: make_alarm().id),
    SERVICE_ACCOUNT: ("account_id", lambda owner: _make_access(owner, SERVICE_ACCOUNT)),
    SERVICE_TOKEN: ("token_id", lambda owner: _make_access(owner, SERVICE_TOKEN)),
    REENCRYPTION: ("reencryption_id", lambda owner: make_reencryption(owner).id),
    FILE: ("file_id", lambda owner: make_file(owner).id),
    JOB: ("operation_id", lambda owner: make_reencryption(owner).id),
    FINISHED_JOB: ("operation_id", lambda owner: _make_export(owner, FINISHED_EXPORT)),
    POLICY: ("policy_id", lambda _: make_policy().id),
    ROLE: ("name", lambda _: make_role().name),
    WEBHOOK: ("webhook_id", lambda _: make_webhook().id),
    DELIVERY: ("delivery_id", lambda _: make_delivery().id),
    LOG_TARGET: ("target_id", lambda _: make_log_target().id),
    DISABLED_LOG_TARGET: ("target_id", lambda _: make_log_target(is_enabled=False).id),
    TAG_GRANT: ("grant_id", lambda owner: _make_access(owner, TAG_GRANT)),
    WITNESS: ("origin_hash", lambda _: make_witness()),
}


def make_role() -> Any:
    from accounts.custom_roles.services import create_role  # noqa: PLC0415 - models need a set-up Django

    return create_role(
        principal=_system(), name=f"r-{next(_numbers)}-{uuid4().hex[:8]}", permissions=["users.read"]
    )


def make_witness() -> str:
    """The installation is a witness, and has cosigned a checkpoint. Returns the hash of the origin of the log."""
    from audit.log.events import Actor  # noqa: PLC0415 - models need a set-up Django
    from audit.models import WitnessedLog  # noqa: PLC0415
    from audit.services.witness import add_checkpoint, bootstrap_witness_key  # noqa: PLC0415

    bootstrap_witness_key()
    log = OtherLog()
    if not WitnessedLog.objects.exists():
        add_checkpoint(actor=Actor.anonymous("", "", ""), body=log.request(0, 3))
    return sha256(log.origin.encode()).hexdigest()


def move(target: Target, state: str) -> None:
    """Move an active key to ``state``, as the system."""
    from accounts.principals import Principal  # noqa: PLC0415 - models need a set-up Django
    from keys.deletion import services as deletion  # noqa: PLC0415
    from keys.models import Key  # noqa: PLC0415
    from keys.rotation.services import rotating  # noqa: PLC0415
    from keys.states import services as states  # noqa: PLC0415

    order = {"principal": Principal.system("tests", "command"), "key_id": target.key_id, **REASON}
    match state:
        case "suspended" | "under test":
            states.disable_key(**order, minutes=1 if state == UNDER_TEST else None)
        case "deactivated":
            states.revoke_key(**order)
        case "compromised":
            states.revoke_key(**order, compromised=True)
        case "expired":
            key = Key.objects.get(pk=target.key_id)
            key.expires_at = _now() - timedelta(seconds=1)
            key.save_with_mac()
            runtime.fresh()
        case "deletion_scheduled":
            deletion.schedule_deletion(**order, confirm_name=_name_of(target))
        case "rotated":
            rotating.rotate_key(**order)
        case "rotated, first version disabled":
            rotating.rotate_key(**order)
            states.disable_version(**order, version=1)
        case "rotated, first version scheduled":
            rotating.rotate_key(**order)
            deletion.schedule_version_destruction(**order, version=1, confirm_name=_name_of(target))
        case "sequenced":
            _sequence()


def _now():
    from kernel.clock import database_now  # noqa: PLC0415 - needs a set-up Django

    return database_now()


def _seal(named: UUID, sealing: UUID | None) -> str:
    """A ciphertext that names the key ``named``; it opens only if ``sealing`` is that key."""
    from accounts.principals import Principal  # noqa: PLC0415 - models need a set-up Django
    from crypto_ops.deciding.services import perform_measured  # noqa: PLC0415
    from crypto_ops.encryption.services.messages import EncryptRequest  # noqa: PLC0415
    from kernel.crypto.algorithms import SEALING_MODES  # noqa: PLC0415
    from kernel.crypto.sealing import envelope  # noqa: PLC0415
    from kernel.crypto.sealing.aead import Sealed  # noqa: PLC0415

    mode = SEALING_MODES["aes-256-gcm"]
    if sealing is None:
        made = envelope.Envelope(mode, named, 1, Sealed(bytes(12), b"plain", bytes(16)))
    else:
        request = EncryptRequest(mode=mode, plaintext=b"plain", key_id=sealing)
        made = perform_measured(request, Principal.system("tests", "command"))
    return envelope.encode(made._replace(key_id=named))


def _seal_stream(named: UUID, sealing: UUID | None) -> bytes:
    """Like ``_seal``, as a stream."""
    from accounts.principals import Principal  # noqa: PLC0415 - models need a set-up Django
    from crypto_ops.streaming.services.streams import Encryption  # noqa: PLC0415
    from kernel.crypto.sealing.stream import StreamHeader  # noqa: PLC0415

    if sealing is None:
        return StreamHeader(named, 1).encode() + bytes(100)
    with Encryption(Principal.system("tests", "command"), key_id=sealing) as stream:
        return stream.write(b"plain") + b"".join(stream.finish())
