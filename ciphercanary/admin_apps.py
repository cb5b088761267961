from django.contrib.admin.apps import AdminConfig


class CipherCanaryAdminConfig(AdminConfig):
    default_site = "ciphercanary.admin_site.ReadOnlyAdminSite"
