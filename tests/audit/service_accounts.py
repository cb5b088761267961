"""Service accounts as actors and as callers."""

import uuid

from accounts.origin import Origin
from accounts.principals import Principal
from accounts.roles import ROLES
from kernel.identities import Identity

BILLING, REPORTS = uuid.UUID(int=0xB1), uuid.UUID(int=0x2E)
ORIGIN = Origin(client_ip="192.0.2.9", user_agent="curl/8.5", request_id="r")


def account(account_id=BILLING, name="billing", *, token_id="", origin=ORIGIN):
    return origin.service_account(account_id, name, auth_method="service_token", token_id=token_id)


def caller(account_id=BILLING, role="developer", *, more=()):
    return Principal(
        actor=account(account_id),
        identity=Identity.service_account(account_id),
        rights=ROLES[role],
        permissions=ROLES[role].permissions | set(more),
    )
