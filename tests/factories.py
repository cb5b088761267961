"""Objects as the product creates them: through the services, or at least with a correct MAC."""

from datetime import timedelta
from functools import cache
from uuid import UUID

import factory
from django.contrib.auth.hashers import make_password

from accounts.models import User
from accounts.principals import Principal
from accounts.roles import permission_of
from accounts.service_accounts.services.accounts import create_service_account
from accounts.service_accounts.services.tokens import TokenRequest, create_token
from audit.models import UsageRollup
from kernel.clock import database_now
from keys.access.services import GrantRequest, grant_key, grant_tag
from keys.creation.services import create_key
from keys.entities import key_entity, tag_entity
from keys.models import KeyGrant
from keys.policies.services.changing import create_policy
from keys.ring import keyring
from tests.personas import PASSWORD

SYSTEM = Principal.system("tests", "command")


@cache
def hashed_password():
    """One real Argon2id hash for all, because each costs 64 MiB and a tenth of a second."""
    return make_password(PASSWORD)


class UserFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = User

    username = factory.Sequence("user-{}".format)
    role = "developer"
    password = factory.LazyFunction(hashed_password)

    @classmethod
    def _create(cls, model_class, *args, **kwargs):
        user = model_class(*args, **kwargs)
        user.save_with_mac()
        return user


class ServiceAccountFactory(factory.Factory):
    class Meta:
        model = create_service_account

    principal = SYSTEM
    name = factory.Sequence("account-{}".format)
    role = "developer"

    @classmethod
    def _create(cls, service, *args, **kwargs):
        return service(*args, **kwargs).account


class TokenFactory(factory.Factory):
    """A token of the ``principal``, or of a service account (``account_id``), with its text."""

    class Meta:
        model = TokenRequest

    principal = SYSTEM
    name = "nightly"
    scopes = ["crypto.encrypt"]
    expires_at = factory.LazyFunction(lambda: database_now() + timedelta(days=1))

    @classmethod
    def _create(cls, request, *args, principal, **kwargs):
        return create_token(principal=principal, request=request(*args, **kwargs))


class KeyFactory(factory.Factory):
    """``columns`` are set afterwards, as if time had passed."""

    class Meta:
        model = create_key

    principal = SYSTEM
    name = factory.Sequence("key-{:06}".format)
    algorithm = "aes-256"

    @classmethod
    def _create(cls, service, *args, columns=None, **kwargs):
        key = service(*args, **kwargs)
        if columns:
            for name, value in columns.items():
                setattr(key, name, value)
            key.save_with_mac()
        return key


class PolicyFactory(factory.Factory):
    class Meta:
        model = create_policy

    principal = SYSTEM
    name = "pci"
    algorithm = "aes-256"


class GrantFactory(factory.Factory):
    """A grant on ``key`` or ``tag``: to the principal or service account ``to``, otherwise to a role."""

    class Meta:
        model = GrantRequest

    principal = SYSTEM
    principal_type = "role"
    principal_id = "developer"
    operations = ["encrypt"]

    @classmethod
    def _create(cls, request, *args, principal, key=None, tag="", to=None, **kwargs):
        if to is not None:
            kwargs |= {"principal_type": to.identity.type, "principal_id": str(to.identity.id)}
        wanted = request(*args, **kwargs)
        if key is None:
            return grant_tag(principal=principal, tag=tag, request=wanted)
        return grant_key(principal=principal, key_id=key.pk, request=wanted)


def store_grant(*, key=None, tag="", operations=("encrypt",), **columns):
    """A grant that the service refuses now, for example because its holder had another role when it was created."""
    permissions = sorted(map(permission_of, operations))
    grant = KeyGrant(key=key, tag=tag, operations=permissions, created_at=database_now(), **columns)
    grant.save_with_mac()
    keyring.forget([key_entity(key.pk) if key else tag_entity(tag)])
    return grant


class UsageFactory(factory.django.DjangoModelFactory):
    """Operations with a key within one hour, as the sequencer counts them: ``key`` is a row or an id.

    Without ``by``, refused ones are those of some user, because those of strangers are no denials.
    """

    class Meta:
        model = UsageRollup

    class Params:
        key = None
        by = None
        at = factory.LazyFunction(database_now)

    key_id = factory.LazyAttribute(lambda usage: str(getattr(usage.key, "pk", usage.key)))
    version = 1
    principal = factory.LazyAttribute(
        lambda usage: str(usage.by.user.id) if usage.by else "" if usage.outcome == "ok" else str(UUID(int=1))
    )
    operation = "crypto.message.encrypted"
    outcome = "ok"
    hour = factory.LazyAttribute(lambda usage: usage.at.replace(minute=0, second=0, microsecond=0))
    count = 1
    size = 0
    last_at = factory.SelfAttribute("at")
