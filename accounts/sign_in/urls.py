from django.urls import path

from accounts.second_factors import api as api_own
from accounts.sessions import api as sessions_api
from accounts.sign_in import api
from accounts.users import api as users_api

urlpatterns = [
    path("login", api.LogInView.as_view(), name="log-in"),
    path("refresh", api.RefreshView.as_view(), name="refresh"),
    path("logout", api.LogOutView.as_view(), name="log-out"),
    path("me", users_api.MeView.as_view(), name="me"),
    path("password", users_api.PasswordView.as_view(), name="change-password"),
    path("totp", api_own.TotpView.as_view(), name="totp"),
    path("totp/enrol", api_own.TotpEnrolView.as_view(), name="enrol-totp"),
    path("totp/confirm", api_own.TotpConfirmView.as_view(), name="confirm-totp"),
    path("totp/recovery-codes", api_own.RecoveryCodesView.as_view(), name="recovery-codes"),
    path("passkeys", api_own.PasskeysView.as_view(), name="passkeys"),
    path("passkeys/<uuid:passkey_id>", api_own.PasskeyView.as_view(), name="passkey"),
    path("sessions", sessions_api.SessionsView.as_view(), name="sessions"),
    path("sessions/<uuid:session_id>", sessions_api.SessionView.as_view(), name="session"),
]
