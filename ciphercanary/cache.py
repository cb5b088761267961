"""The caches that lie in Redis, and what becomes of them while it does not answer."""

import logging
import time
from typing import Any, ClassVar, Final

from django.core.cache import caches
from django_redis.cache import RedisCache
from django_redis.serializers.json import JSONSerializer
from redis.exceptions import RedisError

REST: Final = 5.0  # seconds

logger = logging.getLogger(__name__)


class PlainSerializer(JSONSerializer):  # type: ignore[misc]  # django-redis ships no types
    """JSON in place of django-redis's pickle, by which whoever writes Redis would run code in this process."""

    def loads(self, value: bytes) -> Any:
        """The value; None for what is no JSON."""
        try:
            return super().loads(value)
        except (ValueError, RecursionError):
            return None


class FailoverRedisCache(RedisCache):  # type: ignore[misc]  # django-redis ships no types
    """Redis, falling back to the ``local`` cache: a limit may become one per process, never none at all."""

    def add(self, *args: Any, **kwargs: Any) -> Any:
        return self._attempt("add", *args, **kwargs)

    def incr(self, *args: Any, **kwargs: Any) -> Any:
        return self._attempt("incr", *args, **kwargs)

    def get(self, *args: Any, **kwargs: Any) -> Any:
        return self._attempt("get", *args, **kwargs)

    def _attempt(self, method: str, *args: Any, **kwargs: Any) -> Any:
        try:
            return getattr(super(), method)(*args, **kwargs)
        except RedisError:
            logger.warning("redis unavailable, counting in this process")
            return getattr(caches["local"], method)(*args, **kwargs)


class OptionalRedisCache(RedisCache):  # type: ignore[misc]  # django-redis ships no types
    """Redis, or nothing: while it does not answer nothing is found and nothing kept.

    It is then left alone for ``REST`` seconds, or each use would wait until the connection times out.
    """

    _rests_until: ClassVar[float] = 0.0  # by the monotonic clock; Django makes an instance for each thread

    def get(self, *args: Any, **kwargs: Any) -> Any:
        return self._attempt("get", *args, **kwargs)

    def set(self, *args: Any, **kwargs: Any) -> Any:
        return self._attempt("set", *args, **kwargs)

    def _attempt(self, method: str, *args: Any, **kwargs: Any) -> Any:
        if time.monotonic() < OptionalRedisCache._rests_until:
            return None
        try:
            return getattr(super(), method)(*args, **kwargs)
        except RedisError:
            OptionalRedisCache._rests_until = time.monotonic() + REST
            return None
