from django.urls import path

from console.views import first_key, home, jobs, reference, system, usage

urlpatterns = [
    path("", home.RootView.as_view(), name="root"),
    path("setup/first-key/", first_key.FirstKeyView.as_view(), name="first-key"),
    path("setup/first-key/decrypt", first_key.DecryptBackView.as_view(), name="first-key-decrypt"),
    path("home/", home.HomeView.as_view(), name="home"),
    path("jobs/", jobs.JobListView.as_view(), name="jobs"),
    path("jobs/<uuid:job_id>/", jobs.JobView.as_view(), name="job"),
    path("jobs/<uuid:job_id>/cancel", jobs.CancelJobView.as_view(), name="job-cancel"),
    path("usage/", usage.UsageView.as_view(), name="usage"),
    path("usage/numbers.csv", usage.UsageFileView.as_view(), name="usage-file"),
    path("system/", system.SystemView.as_view(), name="system"),
    path("reference/", reference.ReferenceView.as_view(), name="reference"),
]
