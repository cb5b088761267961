"""Where Django looks for models. Each room defines its own."""

from kernel.trust.models import Instance, KeyEncryptionKey, SystemKey

__all__ = ["Instance", "KeyEncryptionKey", "SystemKey"]
