"""The canaries of the demo: an officer, the decoys, and a stranger who finds a planted token."""

import base64
from datetime import timedelta

from django_otp.oath import TOTP

from accounts.principals import Principal
from accounts.second_factors.services.totp import confirm_totp, enrol_totp
from accounts.service_accounts.services.accounts import create_service_account
from accounts.service_accounts.services.tokens import TokenRequest, create_token
from accounts.tokens.access_tokens import authenticate_bearer
from accounts.tokens.recorded_uses import record_use
from canaries.documents import HOST
from canaries.services.finding import find_object
from canaries.services.offices import appoint_officer
from canaries.services.planting import plant_canary
from crypto_ops.actions import MESSAGE_DECRYPTED
from demo.data import ADMIN, OFFICER, PLANTED, PLANTED_CIPHERTEXT, PLANTED_TOKEN, STRANGER, TOKEN_HOLDER
from demo.schedule import Step
from demo.users import DemoUsers, origin_of
from demo.uses import KeyUses
from kernel.clock import database_now

_TOKEN_LIFETIME = timedelta(days=366)


class DemoCanaries:
    """``secret`` and ``recovery_codes``: the authenticator of the officer, after ``appoint``."""

    def __init__(self, users: DemoUsers, uses: KeyUses) -> None:
        self._users, self._uses = users, uses
        self._token = ""
        self.secret = ""
        self.recovery_codes: list[str] = []

    def appoint(self, _step: Step) -> None:
        """The officer sets up an authenticator. Then the host appoints them, because a later change would suspend them."""
        officer = self._users.principals[OFFICER]
        self.secret = enrol_totp(principal=officer).secret
        self.recovery_codes = confirm_totp(principal=officer, code=_code_of(self.secret))
        appoint_officer(by=HOST, user_id=officer.person_id)

    def plant(self, _step: Step) -> None:
        """Create the planted token, and make all decoys canaries, as a command on the host does."""
        self._token = _create_token(self._users.principals[ADMIN])
        for decoy in PLANTED:
            object_id = find_object(decoy.kind, decoy.name)
            plant_canary(by=HOST, kind=decoy.kind, object_id=object_id, note=decoy.note, level=decoy.level)

    def intrude(self, _step: Step) -> None:
        """A stranger tries to decrypt the planted ciphertext with the planted token."""
        intruder = authenticate_bearer(self._token, origin_of(STRANGER))
        record_use(intruder, MESSAGE_DECRYPTED)
        self._uses.decrypt_as(intruder, PLANTED_CIPHERTEXT)


def _create_token(admin: Principal) -> str:
    description = "Publishes the website."
    created = create_service_account(
        principal=admin, name=TOKEN_HOLDER, role="developer", description=description
    )
    request = TokenRequest(
        name=PLANTED_TOKEN,
        scopes=["keys.read", "crypto.decrypt"],
        expires_at=database_now() + _TOKEN_LIFETIME,
        account_id=created.account.id,
    )
    return create_token(principal=admin, request=request).text


def _code_of(secret: str) -> str:
    totp = TOTP(base64.b32decode(secret))
    totp.time = database_now().timestamp()
    return f"{totp.token():06d}"
