from django.apps import AppConfig


class CryptoOpsConfig(AppConfig):
    name = "crypto_ops"
    verbose_name = "Crypto operations"
