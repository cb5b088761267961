from ciphercanary.errors import Conflict, Denied, Unauthenticated


class OtpRequired(Unauthenticated):
    """The password was right and a second factor is enrolled, but no code was sent."""

    code = "otp_required"
    title = "A one-time code is required"


class TokenExpired(Unauthenticated):
    """The access token was good once: refresh it."""

    code = "token_expired"
    title = "The token has expired"


class RecentAuthRequired(Denied):
    """The act asks for a log-in that is not older than ten minutes."""

    code = "recent_auth_required"
    title = "A recent log-in is required"


class NameTaken(Conflict):
    code = "name_taken"
    title = "The name is taken"


class LastAdmin(Conflict):
    """Without an active administrator nobody could repair anything."""

    code = "last_admin"
    title = "The last active administrator must stay"
