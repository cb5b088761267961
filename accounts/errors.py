from kernel import installation
from kernel.errors import Conflict, Denied, Invalid, NotFound, Unauthenticated, Unavailable


class OtpRequired(Unauthenticated):
    """The password was right and a second factor is enrolled, but no code was sent."""

    code = "otp_required"
    title = "A one-time code is required"


class TokenExpired(Unauthenticated):
    """The access token was valid, but has expired. The client should refresh it."""

    code = "token_expired"
    title = "The token has expired"

    def __init__(self) -> None:
        super().__init__("The access token has expired. Refresh it.")


class SessionEnded(Unauthenticated):
    """The session was signed out or revoked, its user was disabled, or its absolute lifetime is over."""

    title = "The session has ended"

    def __init__(self) -> None:
        super().__init__("The session has ended. Sign in again.")


class BadRefreshToken(Unauthenticated):
    """The refresh token is unknown or was used. The response does not reveal which."""

    def __init__(self) -> None:
        super().__init__("The refresh token is not valid. Sign in again.")


class RefreshTokenUsed(BadRefreshToken):
    """The refresh token was used before, perhaps a moment ago by another thread."""


class TokenRevoked(Unauthenticated):
    """The service token was revoked, or its owner was disabled."""

    title = "The service token was revoked"

    def __init__(self) -> None:
        super().__init__("The service token was revoked or its owner is disabled. Create a new token.")


class NameTaken(Conflict):
    """Another object of the kind has the name."""

    code = "name_taken"
    title = "The name is already in use"

    @classmethod
    def of_field(cls, field: str, message: str, **extra: str) -> "NameTaken":
        return cls(message, fields={field: [message]}, extra=extra)


class LastAdmin(Conflict):
    """At least one active administrator must remain to manage the other accounts."""

    code = "last_admin"
    title = "The last active administrator cannot be removed"


class RoleInUse(Conflict):
    """A holder of a role that does not exist would have no rights, or later those of another role with its name."""

    code = "role_in_use"
    title = "The role is in use"

    def __init__(self, uses: int) -> None:
        super().__init__(
            f"Users, service accounts or grants have this role: {uses}. Give them another role, and remove the grants.",
            extra={"uses": uses},
        )


class NotInvitable(Conflict):
    """Only an active user who has no password yet can get an invitation."""

    code = "not_invitable"
    title = "This user cannot get an invitation"


class NotResettable(Conflict):
    """Only an active user with a password can get a password reset, from another administrator."""

    code = "not_resettable"
    title = "This user cannot get a password reset"


class SigningKeyTooNew(Conflict):
    """Verifiers that cache the JWKS may not have the next key yet."""

    code = "signing_key_too_new"
    title = "The next signing key is too new"


class AlreadyEnrolled(Conflict):
    """A second authenticator would silently replace the first."""

    code = "already_enrolled"
    title = "An authenticator is already set up"


class AlreadySetUp(Conflict):
    """An account exists, so set-up is permanently closed."""

    code = "already_set_up"
    title = "Setup is already complete"

    def __init__(self) -> None:
        super().__init__(
            f"An account already exists. To create another one, run {installation.MANAGE} create_user."
        )


class SetupLinkInvalid(NotFound):
    """The link has expired, was replaced by a newer one, or never existed. The response does not reveal which."""

    code = "setup_link_invalid"
    title = "This set-up link is not valid"

    def __init__(self) -> None:
        super().__init__(
            "A set-up link works once, for 15 minutes, and until a newer link is created. Check that the link is complete, or create a new one."
        )


class SignInExpired(Unauthenticated):
    """The response of the identity provider belongs to no sign-in that this browser started, or to one that is over."""

    code = "sign_in_expired"
    title = "This sign-in is no longer valid"

    def __init__(self) -> None:
        super().__init__(
            "It has expired, was already used, or was started in another browser. Sign in again."
        )


class ProviderRefused(Unauthenticated):
    """The identity provider responded with an error instead of a person."""

    code = "provider_refused"
    title = "The identity provider did not sign you in"

    def __init__(self) -> None:
        super().__init__("The sign-in was cancelled or denied there. Sign in again.")


class IdTokenRefused(Unauthenticated):
    """The ID token is forged, expired, or not meant for this sign-in."""

    code = "id_token_refused"
    title = "The response of the identity provider is not valid"

    def __init__(self) -> None:
        super().__init__(
            "No user was signed in. If this happens again, the person who runs this server can find the reason in the "
            "server log."
        )


class SignInDenied(Denied):
    """The identity provider knows the person, but they have no right to an account here."""

    code = "sign_in_denied"
    title = "You cannot sign in"


class ProviderUnavailable(Unavailable):
    """The identity provider does not respond, or not as specified. ``reason`` is a text of our own."""

    code = "provider_unavailable"
    title = "The identity provider is not available"

    def __init__(self, reason: str) -> None:
        super().__init__(f"The identity provider cannot be used: {reason}. Try again later.")


class InvitationInvalid(NotFound):
    """The link was used, revoked or replaced, has expired, or never existed. The response does not reveal which."""

    code = "invitation_invalid"
    title = "This invitation is not valid"

    def __init__(self) -> None:
        super().__init__(
            "An invitation works once, for 7 days, and until a newer one is issued. Check that the link is complete, or ask an administrator for a new one."
        )


class TokenRequestRefused(Invalid):
    """A request to ``/oauth/token`` is not valid. ``error`` is one of the codes of RFC 6749 section 5.2."""

    code = "token_request_refused"
    title = "The token request is not valid"

    def __init__(self, error: str, detail: str) -> None:
        super().__init__(detail)
        self.error = error


class PasswordResetInvalid(NotFound):
    """As ``InvitationInvalid``."""

    code = "password_reset_invalid"
    title = "This password reset is not valid"

    def __init__(self) -> None:
        super().__init__(
            "A password reset works once, for 24 hours, and until a newer one is issued. Check that the link is complete, or ask an administrator for a new one."
        )
