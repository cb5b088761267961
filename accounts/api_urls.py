from django.urls import path

from accounts import api

urlpatterns = [
    path("login", api.LogInView.as_view(), name="log-in"),
    path("refresh", api.RefreshView.as_view(), name="refresh"),
    path("logout", api.LogOutView.as_view(), name="log-out"),
    path("me", api.MeView.as_view(), name="me"),
    path("password", api.PasswordView.as_view(), name="change-password"),
    path("totp", api.TotpView.as_view(), name="totp"),
    path("totp/enrol", api.TotpEnrolView.as_view(), name="enrol-totp"),
    path("totp/confirm", api.TotpConfirmView.as_view(), name="confirm-totp"),
]
