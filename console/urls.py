from itertools import chain
from typing import Any

from django.urls import URLPattern, path

from console.first_key import views as first_key
from console.home import api as home_api
from console.home import views as home
from console.jobs import api as jobs_api
from console.jobs import views as jobs
from console.jobs.kinds import JOB_KINDS, JobKind
from console.key_encryption import views as rewraps
from console.reference import views as reference
from console.search import views as search
from console.service_accounts import views as service_accounts
from console.system import views as system
from console.tokens import views as tokens
from console.usage import views as usage
from kernel.pages.operations import operation_paths


def _job_pages(kind: JobKind) -> list[URLPattern]:
    place = f"{kind.path}/<uuid:{kind.parameter}>/"
    given: dict[str, Any] = {"kind": kind, "object_reference": (kind.object_type, kind.parameter)}
    show = jobs.JobView.as_view(**given, rules={"GET": kind.reading})
    cancel = jobs.CancelJobView.as_view(**given, rules={"GET": kind.cancelling, "POST": kind.cancelling})
    return [path(place, show, name=kind.url_name), path(f"{place}cancel", cancel, name=kind.cancel_url_name)]


api = [
    path("attention", home_api.AttentionView.as_view(), name="attention"),
    path("operations", jobs_api.JobListView.as_view(), name="operations"),
    path("operations/<uuid:operation_id>", jobs_api.JobView.as_view(), name="operation"),
    path("operations/<uuid:operation_id>/cancel", jobs_api.CancelJobView.as_view(), name="operation-cancel"),
    path("operations/<uuid:operation_id>/result", jobs_api.JobResultView.as_view(), name="operation-result"),
]

pages = [
    path("", home.RootView.as_view(), name="root"),
    path("setup/first-key/", first_key.FirstKeyView.as_view(), name="first-key"),
    path("setup/first-key/decrypt", first_key.DecryptBackView.as_view(), name="first-key-decrypt"),
    path("home/", home.HomeView.as_view(), name="home"),
    path("jobs/", jobs.JobListView.as_view(), name="jobs"),
    *chain.from_iterable(map(_job_pages, JOB_KINDS.values())),
    path("usage/", usage.UsageView.as_view(), name="usage"),
    path("usage/numbers.csv", usage.UsageFileView.as_view(), name="usage-file"),
    path("system/", system.SystemView.as_view(), name="system"),
    path("system/backups/", system.BackupListView.as_view(), name="backups"),
    *operation_paths("system/", rewraps.STORED_KEYS, [rewraps.REWRAP]),
    path("account/tokens/", tokens.TokenListView.as_view(), name="account-tokens"),
    path("account/tokens/new", tokens.NewTokenView.as_view(), name="account-token-new"),
    path("tokens/", tokens.AllTokensView.as_view(), name="all-tokens"),
    *operation_paths("tokens/<uuid:token_id>/", tokens.TOKEN, tokens.TOKEN_OPERATIONS),
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
    path("service-accounts/connect", service_accounts.ConnectView.as_view(), name="application-connect"),
    path(
        "service-accounts/<uuid:account_id>/",
        service_accounts.ServiceAccountView.as_view(),
        name="service-account-page",
    ),
    *operation_paths(
        "service-accounts/<uuid:account_id>/",
        service_accounts.ACCOUNT,
        service_accounts.ACCOUNT_OPERATIONS,
    ),
    path(
        "service-accounts/<uuid:account_id>/tokens/new",
        tokens.NewTokenView.as_view(),
        name="service-account-token-new",
    ),
    path("search/", search.SearchView.as_view(), name="search"),
    path("reference/", reference.ReferenceView.as_view(), name="reference"),
    path("reference/<slug:group>/", reference.GroupView.as_view(), name="reference-group"),
    path("reference/call/<slug:endpoint>", reference.CallView.as_view(), name="reference-call"),
]
