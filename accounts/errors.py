from ciphercanary.errors import Conflict, NotFound, Unauthenticated


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
        super().__init__("The session has ended. Sign in again.")


class NameTaken(Conflict):
    """Of a user, or of a key."""

    code = "name_taken"
    title = "The name is already in use"

    @classmethod
    def of_field(cls, field: str, message: str, **extra: str) -> "NameTaken":
        return cls(message, fields={field: [message]}, extra=extra)


class LastAdmin(Conflict):
    """Without an active administrator nobody could repair anything."""

    code = "last_admin"
    title = "The last active administrator cannot be removed"


class SigningKeyTooNew(Conflict):
    """Verifiers that keep a copy of the JWKS may not know the next key yet."""

    code = "signing_key_too_new"
    title = "The next signing key is too new"


class AlreadyEnrolled(Conflict):
    """A second authenticator would silently replace the first."""

    code = "already_enrolled"
    title = "An authenticator is already set up"


class AlreadySetUp(Conflict):
    """There is an account: set-up is over, for good."""

    code = "already_set_up"
    title = "Setup is already complete"

    def __init__(self) -> None:
        super().__init__("An account already exists. To create another one, run bin/manage create_user.")


class SetupLinkInvalid(NotFound):
    """It has expired, a newer one took its place, or it was never ours: who asks is not told which."""

    code = "setup_link_invalid"
    title = "This setup link is not valid"

    def __init__(self) -> None:
        super().__init__(
            "A setup link works once, for 15 minutes, and until a newer link is created. Check that the link is complete, or create a new one."
        )
