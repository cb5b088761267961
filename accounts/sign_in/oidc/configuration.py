"""The settings of the sign-in through an OpenID Connect provider. Django's settings contain them as ``CC_OIDC``."""

from dataclasses import dataclass, field

from kernel.environment.variables import Environment

env = Environment()  # noqa: CC6 - reads the settings


@dataclass(frozen=True, slots=True, kw_only=True)
class OidcSettings:
    """``roles`` contains pairs ``value=role``, the first of which applies. The sign-in is off without an issuer."""

    issuer: str = ""
    client_id: str = ""
    client_secret: str = field(default="", repr=False)
    role_claim: str = "groups"
    roles: tuple[str, ...] = ()
    name: str = "single sign-on"


CC_OIDC = OidcSettings(
    issuer=env.http_url("CC_OIDC_ISSUER"),
    client_id=env.str("CC_OIDC_CLIENT_ID", ""),
    client_secret=env.str("CC_OIDC_CLIENT_SECRET", ""),
    role_claim=env.str("CC_OIDC_ROLE_CLAIM", "groups"),
    roles=tuple(env.list("CC_OIDC_ROLES", default=[])),
    name=env.str("CC_OIDC_NAME", "single sign-on"),
)
