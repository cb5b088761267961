"""The programs of the demo with service accounts, their grants, tokens and calls, and the webhook of the security desk."""

from collections.abc import Mapping
from datetime import timedelta

from accounts.service_accounts.services.accounts import create_service_account
from accounts.service_accounts.services.tokens import TokenRequest, create_token
from accounts.tokens.access_tokens import authenticate_bearer
from accounts.tokens.recorded_uses import record_use
from crypto_ops.actions import MESSAGE_DECRYPTED
from demo.data import ADMIN, APPLICATIONS, WEBHOOK, WEBHOOK_TOPICS
from demo.schedule import Step
from demo.users import DemoUsers, origin_of
from demo.uses import KeyUses
from kernel.clock import database_now
from keys.access.services import GrantRequest, grant_key, grant_tag
from keys.models import Key
from notifications.services.webhooks import create_webhook, update_webhook

_TOKEN_LIFETIME = timedelta(days=366)


class DemoApplications:
    """``keys``: those that exist by now, by name."""

    def __init__(self, users: DemoUsers, uses: KeyUses, keys: Mapping[str, Key]) -> None:
        self._users, self._uses, self._keys = users, uses, keys
        self._wanted = {each.name: each for each in APPLICATIONS}
        self._tokens: dict[str, str] = {}

    def connect(self, step: Step) -> None:
        """Give an application an account, a grant and a token that allows no more than the grant."""
        admin, application = self._users.principals[ADMIN], self._wanted[step.subject]
        account = create_service_account(
            principal=admin,
            name=application.name,
            role="developer",
            description=application.description,
        ).account
        request = GrantRequest(
            principal_type="service_account",
            principal_id=str(account.id),
            operations=application.operations,
        )
        if application.tag:
            grant_tag(principal=admin, tag=application.tag, request=request)
        else:
            grant_key(principal=admin, key_id=self._keys[application.key].id, request=request)
        token = TokenRequest(
            name=f"{application.name}-2026",
            scopes=[f"crypto.{operation}" for operation in application.operations],
            expires_at=database_now() + _TOKEN_LIFETIME,
            key_ids=None if application.tag else [self._keys[application.key].id],
            account_id=account.id,
        )
        self._tokens[application.name] = create_token(principal=admin, request=token).text

    def call(self, step: Step) -> None:
        """The application decrypts the newest messages of its key."""
        application = self._wanted[step.subject]
        caller = authenticate_bearer(self._tokens[application.name], origin_of(application.name))
        record_use(caller, MESSAGE_DECRYPTED)
        self._uses.decrypt_as(caller, application.key, step.count)

    def add_webhook(self, _step: Step) -> None:
        """Without a receiver, so it is disabled: deliveries would fail."""
        admin = self._users.principals[ADMIN]
        name, url = WEBHOOK
        webhook = create_webhook(principal=admin, name=name, url=url, topics=WEBHOOK_TOPICS).webhook
        update_webhook(principal=admin, webhook_id=webhook.id, changes={"is_active": False})
