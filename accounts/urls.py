from django.urls import path, register_converter
from django.urls.converters import StringConverter

from accounts.second_factors import views
from accounts.second_factors import views as second_factor
from accounts.sessions import views as sessions
from accounts.sign_in import views
from accounts.sign_in import views as log_in
from accounts.sign_in.oidc import views as oidc
from accounts.users import link_codes
from accounts.users.operations import USER_OPERATIONS
from accounts.users.views import account, invitations, set_up, users
from accounts.users.views import operations as user_operations
from accounts.views import passkeys
from kernel.rules import Rule


class LinkCode(StringConverter):
    """Matches codes of links only, so that other URLs below /setup/ keep their own routes."""

    regex = link_codes.PATTERN


register_converter(LinkCode, "link_code")

urlpatterns = [
    path("setup/", set_up.SetUpPendingView.as_view(), name="setup"),
    path("setup/<link_code:code>/", set_up.SetUpView.as_view(), name="setup-link"),
    path("invitation/<link_code:invitation_code>/", invitations.InvitationView.as_view(), name="invitation"),
    path("login/", log_in.LogInView.as_view(), name="login"),
    path("login/code/", log_in.LogInCodeView.as_view(), name="login-code"),
    path("login/passkey/", views.LogInWithPasskeyView.as_view(), name="login-passkey"),
    path("login/oidc/", oidc.LogInThroughProviderView.as_view(), name="login-oidc"),
    path("login/oidc/callback", oidc.CallbackView.as_view(), name="oidc-callback"),
    path("logout/", log_in.LogOutView.as_view(), name="logout"),
    path("reauth/", log_in.ConfirmIdentityView.as_view(), name="reauth"),
    path("reauth/oidc/", oidc.ConfirmThroughProviderView.as_view(), name="reauth-oidc"),
    path("session/extend", log_in.ExtendSessionView.as_view(), name="session-extend"),
    path("account/", account.ProfileView.as_view(), name="account"),
    path("account/password/", account.PasswordView.as_view(), name="password"),
    path("account/mfa/", second_factor.SecondFactorView.as_view(), name="mfa"),
    path("account/mfa/setup/", second_factor.ConfirmTotpView.as_view(), name="mfa-setup"),
    path("account/mfa/codes/", second_factor.RecoveryCodesView.as_view(), name="mfa-codes"),
    path("account/mfa/codes/kept/", second_factor.KeptCodesView.as_view(), name="mfa-codes-kept"),
    path("account/mfa/codes/file/", second_factor.CodesFileView.as_view(), name="mfa-codes-file"),
    path("account/mfa/remove/", second_factor.RemoveView.as_view(), name="mfa-remove"),
    path("account/passkeys/", views.PasskeysView.as_view(), name="passkeys"),
    path("account/passkeys/new/", views.NewPasskeyView.as_view(), name="passkey-new"),
    path("account/sessions/", sessions.SessionsView.as_view(), name="sessions"),
    path("account/appearance/", account.AppearanceView.as_view(), name="appearance"),
    path("users/", users.UserListView.as_view(), name="users"),
    path("users/new", users.InviteUserView.as_view(), name="user-new"),
    path("users/<uuid:user_id>/", users.UserView.as_view(), name="user"),
    *(
        path(
            f"users/<uuid:user_id>/{operation.slug}",
            user_operations.UserOperationView.as_view(
                operation=operation,
                rules=dict.fromkeys(("GET", "POST"), Rule("users.manage", operation.action)),
            ),
            name=operation.url_name,
        )
        for operation in USER_OPERATIONS.values()
    ),
]
