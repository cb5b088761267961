from kernel.errors import Conflict, NotFound, Unauthenticated


class OtpRequired(Unauthenticated):
    """The password was right and a second factor is enrolled, but no code was sent."""

    code = "otp_required"
    title = "A one-time code is required"


class TokenExpired(Unauthenticated):
    """The access token was good once: refresh it."""

    code = "token_expired"
    title = "The token has expired"

    def __init__(self) -> None:
        super().__init__("The access token has expired. Refresh it.")


class SessionEnded(Unauthenticated):
    """Signed out, revoked, disabled, or over its absolute life."""

    title = "The session has ended"

    def __init__(self) -> None:
        super().__init__("The session has ended. Log in again.")


class NameTaken(Conflict):
    """Of a user, or of a key."""

    code = "name_taken"
    title = "The name is taken"

    @classmethod
    def of_field(cls, field: str, message: str, **extra: str) -> "NameTaken":
        return cls(message, fields={field: [message]}, extra=extra)


class LastAdmin(Conflict):
    """Without an active administrator nobody could repair anything."""

    code = "last_admin"
    title = "The last active administrator must stay"


class SigningKeyTooNew(Conflict):
    """Verifiers that keep a copy of the JWKS may not know the next key yet."""

    code = "signing_key_too_new"
    title = "The next signing key was only just published"


class AlreadyEnrolled(Conflict):
    """A second authenticator would silently replace the first."""

    code = "already_enrolled"
    title = "An authenticator is enrolled already"


class AlreadySetUp(Conflict):
    """There is an account: set-up is over, for good."""

    code = "already_set_up"
    title = "It is set up already"

    def __init__(self) -> None:
        super().__init__("There is an account already: bin/manage create_user makes another one.")


class SetupLinkInvalid(NotFound):
    """It has expired, a newer one took its place, or it was never ours: who asks is not told which."""

    code = "setup_link_invalid"
    title = "This set-up link does not open anything"

    def __init__(self) -> None:
        super().__init__("A set-up link is good once, for 15 minutes, until the next one is made.")
