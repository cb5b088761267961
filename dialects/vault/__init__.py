"""The transit engine of Vault and OpenBao: its paths, shapes and errors under ``/v1/``."""
