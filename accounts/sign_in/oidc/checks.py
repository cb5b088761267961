"""System checks of the settings of this app. See ``kernel.checks``."""

from collections.abc import Iterable
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import CheckMessage, Error, register

from accounts.roles import ROLES
from accounts.sign_in.oidc.claims import split_pair
from accounts.sign_in.oidc.provider import is_safe_url


@register()
def check_oidc(**_kwargs: Any) -> Iterable[CheckMessage]:
    oidc = settings.CC_OIDC
    if not oidc.issuer:
        return
    url = urlsplit(oidc.issuer) if is_safe_url(oidc.issuer) else None
    if url is None or url.query or url.fragment:
        yield Error(
            "CC_OIDC_ISSUER is not the address of an OpenID Connect issuer.",
            hint="Use an https URL without a query, such as https://id.example.org/realms/company.",
            id="ciphercanary.E016",
        )
    if not (oidc.client_id and oidc.role_claim and oidc.roles):
        yield Error(
            "CC_OIDC_ISSUER needs CC_OIDC_CLIENT_ID, CC_OIDC_ROLE_CLAIM and CC_OIDC_ROLES.",
            hint="Register CipherCanary at the provider. To turn the sign-in off, unset CC_OIDC_ISSUER.",
            id="ciphercanary.E017",
        )
    for pair in oidc.roles:
        value, role = split_pair(pair)
        if not value or role not in ROLES:
            yield Error(
                f"CC_OIDC_ROLES: {pair} does not map a value to a role.",
                hint=f"Use value=role, with one of the roles {', '.join(ROLES)}.",
                id="ciphercanary.E018",
            )
