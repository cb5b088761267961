"""Jobs of all kinds in Django's admin, read-only, for auditors."""

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse

from accounts.principals import Principal
from console.jobs import services
from console.jobs.kinds import JOB_KINDS
from kernel.jobs.job import JobRecord
from kernel.pages.views import known_principal
from kernel.read_only_admin import ReadOnlyModelAdmin


@admin.register(JobRecord)
class JobRecordAdmin(ReadOnlyModelAdmin):
    console_page = "jobs"
    list_display = ("created_at", "kind", "created_by_name", "status", "done", "total", "error_code")
    list_filter = ("kind", "status")
    ordering = ("-created_at",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[JobRecord]:
        """The jobs that the caller may see: operators see no exports."""
        caller = known_principal(request)
        return (
            services.find_jobs(principal=caller)
            if isinstance(caller, Principal)
            else JobRecord.objects.none()
        )

    def view_on_site(self, job: JobRecord) -> str:
        return reverse(JOB_KINDS[job.kind].url_name, args=[job.pk])
