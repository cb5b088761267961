from django.urls import path

from console.job_kinds import JOB_KINDS
from console.views import (
    first_key,
    home,
    jobs,
    reference,
    rewraps,
    service_accounts,
    system,
    tokens,
    usage,
)

urlpatterns = [
    path("", home.RootView.as_view(), name="root"),
    path("setup/first-key/", first_key.FirstKeyView.as_view(), name="first-key"),
    path("setup/first-key/decrypt", first_key.DecryptBackView.as_view(), name="first-key-decrypt"),
    path("home/", home.HomeView.as_view(), name="home"),
    path("jobs/", jobs.JobListView.as_view(), name="jobs"),
    *(
        path(
            f"{kind.path}/<uuid:{kind.parameter}>/{suffix}",
            view.as_view(kind=kind, rules=rules, object_reference=(kind.object_type, kind.parameter)),
            name=name,
        )
        for kind in JOB_KINDS.values()
        for suffix, name, view, rules in (
            ("", kind.url_name, jobs.JobView, {"GET": kind.reading}),
            (
                "cancel",
                kind.cancel_url_name,
                jobs.CancelJobView,
                dict.fromkeys(("GET", "POST"), kind.cancelling),
            ),
        )
    ),
    path("usage/", usage.UsageView.as_view(), name="usage"),
    path("usage/numbers.csv", usage.UsageFileView.as_view(), name="usage-file"),
    path("system/", system.SystemView.as_view(), name="system"),
    path("system/rewrap", rewraps.NewRewrapView.as_view(), name="rewrap-new"),
    path("account/tokens/", tokens.TokenListView.as_view(), name="account-tokens"),
    path("account/tokens/new", tokens.NewTokenView.as_view(), name="account-token-new"),
    path("tokens/<uuid:token_id>/revoke", tokens.RevokeTokenView.as_view(), name="token-revoke-page"),
    path("tokens/<uuid:token_id>/rotate", tokens.RotateTokenView.as_view(), name="token-rotate-page"),
    path(
        "service-accounts/",
        service_accounts.ServiceAccountListView.as_view(),
        name="service-accounts-page",
    ),
    path(
        "service-accounts/new",
        service_accounts.NewServiceAccountView.as_view(),
        name="service-account-new",
    ),
    path(
        "service-accounts/<uuid:account_id>/",
        service_accounts.ServiceAccountView.as_view(),
        name="service-account-page",
    ),
    path(
        "service-accounts/<uuid:account_id>/role",
        service_accounts.AccountRoleView.as_view(),
        name="service-account-role",
    ),
    path(
        "service-accounts/<uuid:account_id>/disable",
        service_accounts.DisableAccountView.as_view(),
        name="service-account-disable",
    ),
    path(
        "service-accounts/<uuid:account_id>/enable",
        service_accounts.EnableAccountView.as_view(),
        name="service-account-enable",
    ),
    path(
        "service-accounts/<uuid:account_id>/secret",
        service_accounts.RotateSecretView.as_view(),
        name="service-account-secret",
    ),
    path(
        "service-accounts/<uuid:account_id>/tokens/new",
        tokens.NewTokenView.as_view(),
        name="service-account-token-new",
    ),
    path("reference/", reference.ReferenceView.as_view(), name="reference"),
]
