from django.contrib.admin.apps import AdminConfig


class CipherCanaryAdminConfig(AdminConfig):
    default_site = "django.contrib.admin.AdminSite"
