from django.urls import path, register_converter
from django.urls.converters import StringConverter

from accounts.users import link_codes
from accounts.users.api import (
    InvitationView,
    MeView,
    PasswordResetView,
    PasswordView,
    ResetTotpView,
    SignOutView,
    UnlockView,
    UserDetailView,
    UserListView,
)
from accounts.users.operations import USER_OPERATIONS
from accounts.users.views import account, links, operations, set_up, users
from kernel.pages.operations import operation_paths


class _LinkCode(StringConverter):
    """Matches codes of links only, so that other URLs below /setup/ keep their own routes."""

    regex = link_codes.PATTERN


register_converter(_LinkCode, "link_code")

api = [
    path("users", UserListView.as_view(), name="api-users"),
    path("users/<uuid:user_id>", UserDetailView.as_view(), name="api-user"),
    path("users/<uuid:user_id>/invitation", InvitationView.as_view(), name="api-user-invitation"),
    path("users/<uuid:user_id>/password-reset", PasswordResetView.as_view(), name="api-user-password-reset"),
    path("users/<uuid:user_id>/sign-out", SignOutView.as_view(), name="api-user-sign-out"),
    path("users/<uuid:user_id>/unlock", UnlockView.as_view(), name="api-user-unlock"),
    path("users/<uuid:user_id>/reset-totp", ResetTotpView.as_view(), name="api-user-reset-totp"),
]

auth = [
    path("me", MeView.as_view(), name="me"),
    path("password", PasswordView.as_view(), name="change-password"),
]

pages = [
    path("setup/", set_up.SetUpPendingView.as_view(), name="setup"),
    path("setup/<link_code:code>/", set_up.SetUpView.as_view(), name="setup-link"),
    path("invitation/<link_code:link_code>/", links.InvitationView.as_view(), name="invitation"),
    path("password-reset/<link_code:link_code>/", links.PasswordResetView.as_view(), name="password-reset"),
    path("account/", account.ProfileView.as_view(), name="account"),
    path("account/password/", account.PasswordView.as_view(), name="password"),
    path("account/appearance/", account.AppearanceView.as_view(), name="appearance"),
    path("users/", users.UserListView.as_view(), name="users"),
    path("users/new", users.InviteUserView.as_view(), name="user-new"),
    path("users/<uuid:user_id>/", users.UserView.as_view(), name="user"),
    *operation_paths("users/<uuid:user_id>/", operations.USER, USER_OPERATIONS.values()),
]
