"""Caches in Redis, and their behaviour during an outage of Redis."""

import logging
import threading
import time
from typing import Any, ClassVar, Final

from django.core.cache import caches
from django_redis.cache import RedisCache
from django_redis.serializers.json import JSONSerializer
from redis.exceptions import RedisError

from kernel.runtime import ProcessState

RETRY_SECONDS: Final = 5.0

logger = logging.getLogger(__name__)


class PlainSerializer(JSONSerializer):  # type: ignore[misc]  # django-redis ships no types
    """JSON instead of django-redis's pickle, which would let an attacker with write access to Redis run code here."""

    def loads(self, value: bytes) -> Any:
        """The value; None if it is not JSON."""
        try:
            return super().loads(value)
        except (ValueError, RecursionError):
            return None


class Outage:
    """Whether Redis responds, as observed by the threads of this process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._is_on = False
        self._retry_at = 0.0  # by the monotonic clock

    def may_try(self) -> bool:
        """Whether to try Redis. During an outage, one thread may try every ``RETRY_SECONDS``."""
        if not self._is_on:
            return True
        with self._lock:
            if time.monotonic() < self._retry_at:
                return False
            self._retry_at = time.monotonic() + RETRY_SECONDS  # the other threads do not wait meanwhile
            return True

    def begin(self) -> bool:
        """Record that Redis did not respond. Returns whether this begins an outage."""
        with self._lock:
            is_news, self._is_on = not self._is_on, True
            self._retry_at = time.monotonic() + RETRY_SECONDS
        return is_news

    def end(self) -> None:
        """Record that Redis responded."""
        self._is_on = False


class _CircuitBreakerRedisCache(RedisCache):  # type: ignore[misc]  # django-redis ships no types
    """Redis, or a substitute while Redis does not respond.

    After a failure, Redis is not tried for ``RETRY_SECONDS``. Otherwise every use would wait for the connection
    timeout.
    """

    outage: ClassVar[ProcessState[Outage]]  # per process: Django creates a cache instance per thread
    warning: ClassVar = ""

    def get(self, *args: Any, **kwargs: Any) -> Any:
        return self._attempt("get", *args, **kwargs)

    def _attempt(self, method: str, *args: Any, **kwargs: Any) -> Any:
        outage = self.outage.current
        if outage.may_try():
            try:
                result = getattr(super(), method)(*args, **kwargs)
            except RedisError:
                if outage.begin() and self.warning:
                    logger.warning(self.warning)
            else:
                outage.end()
                return result
        return self._fall_back(method, *args, **kwargs)

    def _fall_back(self, method: str, *args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError


class FailoverRedisCache(_CircuitBreakerRedisCache):
    """Redis, falling back to the ``local`` cache: a limit may become one per process, but it never disappears."""

    outage = ProcessState(Outage)
    warning = "redis unavailable, counting in this process"

    def add(self, *args: Any, **kwargs: Any) -> Any:
        return self._attempt("add", *args, **kwargs)

    def incr(self, key: Any, delta: int = 1, **kwargs: Any) -> Any:
        try:
            return self._attempt("incr", key, delta, **kwargs)
        except ValueError:
            # Redis went away or came back since the ``add``, so the count restarts. django-ratelimit would treat
            # the error as an exceeded limit.
            self.add(key, delta, **kwargs)
            return delta

    def _fall_back(self, method: str, *args: Any, **kwargs: Any) -> Any:
        return getattr(caches["local"], method)(*args, **kwargs)


class OptionalRedisCache(_CircuitBreakerRedisCache):
    """Redis without a fallback: during an outage, every get is a miss and nothing is stored."""

    outage = ProcessState(Outage)

    def set(self, *args: Any, **kwargs: Any) -> Any:
        return self._attempt("set", *args, **kwargs)

    def _fall_back(self, method: str, *args: Any, **kwargs: Any) -> None:  # noqa: ARG002 - of the base class
        return None
