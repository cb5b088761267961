"""The URLs of all rooms: ``api`` below ``/api/v1/``, ``auth`` below ``/auth/``, and ``pages``."""

from accounts.custom_roles import urls as custom_roles
from accounts.second_factors import urls as second_factors
from accounts.service_accounts import urls as service_accounts
from accounts.sessions import urls as sessions
from accounts.sign_in import urls as sign_in
from accounts.users import urls as users

api = [*custom_roles.api, *service_accounts.api, *users.api]
auth = [*sign_in.auth, *users.auth, *second_factors.auth, *sessions.auth]
pages = [*sign_in.pages, *users.pages, *second_factors.pages, *sessions.pages]
