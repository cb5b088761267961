import os
import uuid
from typing import ClassVar

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.conf import settings
from django.db import models

NONCE = 12


class EncryptionKey(models.Model):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    name = models.CharField(max_length=64, unique=True)
    is_active = models.BooleanField(default=True)
    wrapped = models.BinaryField()

    def __str__(self) -> str:
        return self.name

    @classmethod
    def make(cls, name: str) -> "EncryptionKey":
        nonce = os.urandom(NONCE)
        sealed = AESGCM(settings.KEY_ENCRYPTION_KEY).encrypt(nonce, AESGCM.generate_key(256), None)
        return cls.objects.create(name=name, wrapped=nonce + sealed)

    def cipher(self) -> AESGCM:
        wrapped = bytes(self.wrapped)
        return AESGCM(AESGCM(settings.KEY_ENCRYPTION_KEY).decrypt(wrapped[:NONCE], wrapped[NONCE:], None))


class AuditEntry(models.Model):
    timestamp = models.DateTimeField(auto_now_add=True)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT)
    action = models.CharField(max_length=64)
    key = models.ForeignKey(EncryptionKey, models.PROTECT)
    size = models.IntegerField()
    client_ip = models.GenericIPAddressField()
    user_agent = models.TextField()

    class Meta:
        indexes: ClassVar = [models.Index(fields=["timestamp"])]

    def __str__(self) -> str:
        return f"{self.timestamp} {self.action}"
