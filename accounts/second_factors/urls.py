from django.urls import path

from accounts.second_factors import api, views

auth = [
    path("totp", api.TotpView.as_view(), name="totp"),
    path("totp/enrol", api.TotpEnrolView.as_view(), name="enrol-totp"),
    path("totp/confirm", api.TotpConfirmView.as_view(), name="confirm-totp"),
    path("totp/recovery-codes", api.RecoveryCodesView.as_view(), name="recovery-codes"),
    path("passkeys", api.PasskeysView.as_view(), name="passkeys"),
    path("passkeys/<uuid:passkey_id>", api.PasskeyView.as_view(), name="passkey"),
]

pages = [
    path("account/mfa/", views.SecondFactorView.as_view(), name="mfa"),
    path("account/mfa/setup/", views.ConfirmTotpView.as_view(), name="mfa-setup"),
    path("account/mfa/codes/", views.RecoveryCodesView.as_view(), name="mfa-codes"),
    path("account/mfa/codes/kept/", views.KeptCodesView.as_view(), name="mfa-codes-kept"),
    path("account/mfa/codes/file/", views.CodesFileView.as_view(), name="mfa-codes-file"),
    path("account/mfa/remove/", views.RemoveView.as_view(), name="mfa-remove"),
    path("account/passkeys/", views.PasskeysView.as_view(), name="passkeys"),
    path("account/passkeys/new/", views.NewPasskeyView.as_view(), name="passkey-new"),
]
