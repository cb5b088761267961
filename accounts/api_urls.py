from django.urls import path

from accounts import api, api_own

urlpatterns = [
    path("login", api.LogInView.as_view(), name="log-in"),
    path("refresh", api.RefreshView.as_view(), name="refresh"),
    path("logout", api.LogOutView.as_view(), name="log-out"),
    path("me", api.MeView.as_view(), name="me"),
    path("password", api.PasswordView.as_view(), name="change-password"),
    path("totp", api_own.TotpView.as_view(), name="totp"),
    path("totp/enrol", api_own.TotpEnrolView.as_view(), name="enrol-totp"),
    path("totp/confirm", api_own.TotpConfirmView.as_view(), name="confirm-totp"),
    path("totp/recovery-codes", api_own.RecoveryCodesView.as_view(), name="recovery-codes"),
    path("passkeys", api_own.PasskeysView.as_view(), name="passkeys"),
    path("passkeys/<uuid:passkey_id>", api_own.PasskeyView.as_view(), name="passkey"),
    path("sessions", api_own.SessionsView.as_view(), name="sessions"),
    path("sessions/<uuid:session_id>", api_own.SessionView.as_view(), name="session"),
]
