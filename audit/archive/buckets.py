"""A bucket of S3, or of a server with the same interface, as the place of the archive.

boto3 finds the credentials and the region in its usual sources, such as the environment or the role of the machine.
"""

import errno
import hashlib
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any, Final, Protocol

import boto3.session
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    NoCredentialsError,
    PartialCredentialsError,
)
from urllib3.exceptions import HTTPError

from audit.archive.places import MOST_FILE_BYTES, StoredFile
from kernel.crypto.encoding import encode_base64
from kernel.errors import Conflict, Unavailable
from kernel.runtime import process_cache

_CONNECT_SECONDS: Final = 5
_READ_SECONDS: Final = 30  # without a byte
_ATTEMPTS: Final = 2
_CODE: Final = re.compile(r"[a-zA-Z0-9]{1,64}")


class _Client(Protocol):
    """The part of boto3's client that we use. boto3 has no types."""

    def get_object(self, **arguments: str) -> Mapping[str, Any]: ...

    def put_object(self, **arguments: str | bytes) -> Mapping[str, Any]: ...


@dataclass(frozen=True, slots=True)
class Bucket:
    """Objects whose names begin with ``prefix``. ``endpoint`` is the URL of a server other than Amazon's, or empty."""

    name: str
    prefix: str
    endpoint: str

    def read(self, name: str, version_id: str = "") -> StoredFile:
        version = {"VersionId": version_id} if version_id else {}
        with self._errors():
            found = _client(self.endpoint).get_object(Bucket=self.name, Key=self.prefix + name, **version)
            if found["ContentLength"] > MOST_FILE_BYTES:
                raise OSError(errno.EINVAL, "it is too large", name)
            return StoredFile(found["Body"].read(), found.get("VersionId", ""))

    def add(self, name: str, content: bytes) -> str:
        with self._errors():
            added = _client(self.endpoint).put_object(
                Bucket=self.name,
                Key=self.prefix + name,
                Body=content,
                IfNoneMatch="*",
                # A lock of objects needs a checksum. boto3 would add its own after the body, which older servers reject.
                ChecksumSHA256=encode_base64(hashlib.sha256(content).digest()),
            )
        return str(added.get("VersionId", ""))

    @contextmanager
    def _errors(self) -> Iterator[None]:
        """Replace the errors of boto3. Their texts may contain credentials, such as those of a proxy."""
        try:
            yield
        except ClientError as error:
            raise self._error_of(error.response) from error
        except (NoCredentialsError, PartialCredentialsError) as error:
            _client.cache_clear()  # a client looks for them once, and the role of the machine may come later
            raise Unavailable(
                f"There are no complete credentials for the bucket {self.name}. Set AWS_ACCESS_KEY_ID and "
                "AWS_SECRET_ACCESS_KEY, or give this machine a role."
            ) from error
        except (BotoCoreError, HTTPError) as error:
            raise Unavailable(
                f"The bucket {self.name} did not respond correctly ({type(error).__name__}). Check the network, the server of "
                "the bucket and CC_AUDIT_ARCHIVE_ENDPOINT."
            ) from error

    def _error_of(self, response: Mapping[str, Any]) -> Exception:
        """The error for an HTTP response with an error of S3."""
        status, code = response["ResponseMetadata"]["HTTPStatusCode"], str(response["Error"].get("Code"))
        shown = code if _CODE.fullmatch(code) else status
        match status, code:
            case 409, "ConditionalRequestConflict":
                return Unavailable(f"Another process writes to the bucket {self.name}. Try again.")
            case 412, _:
                return FileExistsError(errno.EEXIST, "the bucket has this object already")
            case _, "NoSuchKey" | "NoSuchVersion":
                return FileNotFoundError(errno.ENOENT, "the bucket has no such object or version")
            case _, "NoSuchBucket":
                return Unavailable(f"There is no bucket {self.name}. Check CC_AUDIT_ARCHIVE.")
            case 401 | 403, _:
                return Unavailable(
                    f"The bucket {self.name} refuses access ({shown}). Check the credentials and their policy."
                )
        return Unavailable(f"The bucket {self.name} responds with an error ({shown}). Check its server.")


@process_cache
@cache
def _client(endpoint: str) -> _Client:
    """One for all threads, because creating it takes 0.2 seconds. Raises Conflict for an endpoint that is no URL."""
    config = Config(
        connect_timeout=_CONNECT_SECONDS,
        read_timeout=_READ_SECONDS,
        retries={"total_max_attempts": _ATTEMPTS, "mode": "standard"},
    )
    try:
        client: _Client = boto3.session.Session().client("s3", endpoint_url=endpoint or None, config=config)
    except ValueError as error:
        raise Conflict("CC_AUDIT_ARCHIVE_ENDPOINT is not the URL of a server.") from error
    return client
