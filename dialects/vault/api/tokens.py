"""The caller's token: look up, end, and get one with the client secret of a service account."""

import time
from datetime import UTC
from hmac import compare_digest
from http import HTTPStatus

from django.http import HttpResponse
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import actions as of_accounts
from accounts.rest import CredentialView
from accounts.service_accounts.services.tokens import issue_token, revoke_own_token
from accounts.tokens.authentication import naming_holder, origin_of
from dialects import actions
from dialects.errors import Refusal
from dialects.vault import bodies, responses
from dialects.vault.api.base import TokenInHeader, VaultView
from dialects.vault.bodies import text
from kernel.errors import Invalid, Unauthenticated
from kernel.http.context import in_context, set_audit_object
from kernel.identities import parse_uuid
from kernel.rules import AUTHENTICATED, PUBLIC, Rule


class LookupSelfView(VaultView):
    """The caller's token."""

    rules = dict.fromkeys(["GET", "POST"], Rule(AUTHENTICATED, actions.TOKEN_READ))

    def get(self, _request: Request) -> HttpResponse:
        principal = self.principal
        ends = principal.not_after
        left = 0 if ends is None else max(0, int(ends.timestamp() - time.time()))
        data = {
            "accessor": str(principal.credential_id),
            "creation_time": 0,
            "creation_ttl": 0,
            "display_name": principal.actor.actor_name,
            "entity_id": str(principal.identity.id),
            "expire_time": None if ends is None else ends.astimezone(UTC).isoformat().replace("+00:00", "Z"),
            "explicit_max_ttl": 0,
            "id": "",
            "meta": None,
            "num_uses": 0,
            "orphan": True,
            "path": "auth/token/create",
            "policies": [principal.role],
            "renewable": False,
            "ttl": left,
            "type": "service",
        }
        return self.answer(data)

    post = get


class LookupView(LookupSelfView):
    """The token in the body, which must be the caller's own. All others have the response of an unknown one."""

    rules = {"POST": Rule(AUTHENTICATED, actions.TOKEN_READ)}

    def post(self, request: Request) -> HttpResponse:
        own, sent = TokenInHeader().token_of(request) or "", text(self.received(bodies.Token).body.token)
        if sent and not compare_digest(sent.encode(), own.encode()):
            raise Refusal("bad token", HTTPStatus.FORBIDDEN)
        return self.get(request)


class RenewSelfView(VaultView):
    """A token lasts as long as it was created for."""

    rules = {"POST": Rule(AUTHENTICATED, actions.TOKEN_RENEWED)}

    def post(self, _request: Request) -> HttpResponse:
        raise Invalid("lease is not renewable")


class RevokeSelfView(VaultView):
    rules = {"POST": Rule(AUTHENTICATED, of_accounts.SERVICE_TOKEN_REVOKED)}

    def post(self, _request: Request) -> HttpResponse:
        revoke_own_token(principal=self.principal)
        return HttpResponse(status=HTTPStatus.NO_CONTENT)


class AppRoleLoginView(CredentialView, VaultView):
    """A short-lived token for a service account. The role ID is its client ID, and the secret ID its client secret."""

    authentication_classes = []
    rules = {"POST": Rule(PUBLIC, of_accounts.SERVICE_TOKEN_ISSUED)}

    def post(self, request: Request) -> HttpResponse:
        body = self.received(bodies.AppRoleLogin).body
        role_id, secret_id = text(body.role_id), text(body.secret_id)
        for name, value in (("role_id", role_id), ("secret_id", secret_id)):
            if not value:
                raise Invalid(f"missing {name}")
        if parse_uuid(role_id):
            set_audit_object(request, "service_account", role_id)
        with naming_holder(request):
            created, lifetime = issue_token(
                client_id=role_id, client_secret=secret_id, scopes=(), origin=origin_of(request)
            )
        account = created.token.identity
        auth = {
            "client_token": created.text,
            "accessor": str(created.token.id),
            "policies": created.token.scopes,
            "token_policies": created.token.scopes,
            "metadata": {"role_name": str(account.id)},
            "lease_duration": int(lifetime.total_seconds()),
            "renewable": False,
            "entity_id": str(account.id),
            "token_type": "service",
            "orphan": True,
            "mfa_requirement": None,
            "num_uses": 0,
        }
        return self.answer(None, members={"auth": auth})

    def handle_exception(self, exc: Exception) -> Response | HttpResponse:  # type: ignore[override]  # DRF accepts both
        response = super().handle_exception(exc)  # the log has the refusal as it is
        if isinstance(in_context(self.request).refusal, Unauthenticated):
            return responses.refused(Refusal("invalid role or secret ID", HTTPStatus.BAD_REQUEST))
        return response
