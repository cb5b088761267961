"""The caches that lie in Redis, and what becomes of them while it does not answer."""

import logging
import threading
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


class Outage:
    """Whether Redis answers, as the threads of this process have found."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._is_on = False
        self._rests_until = 0.0  # by the monotonic clock

    def may_try(self) -> bool:
        """Whether to ask Redis. During an outage one thread may, each time that ``REST`` seconds are over."""
        if not self._is_on:
            return True
        with self._lock:
            if time.monotonic() < self._rests_until:
                return False
            self._rests_until = time.monotonic() + REST  # nobody else waits meanwhile
            return True

    def begin(self) -> bool:
        """Redis has not answered. Whether that is news."""
        with self._lock:
            is_news, self._is_on = not self._is_on, True
            self._rests_until = time.monotonic() + REST
        return is_news

    def end(self) -> None:
        """Redis has answered."""
        self._is_on = False


class RestingRedisCache(RedisCache):  # type: ignore[misc]  # django-redis ships no types
    """Redis, or what stands in for it while it does not answer.

    It is then left alone for ``REST`` seconds, or each use would wait until the connection times out.
    """

    outage: ClassVar[Outage]  # of the process: Django makes an instance for each thread
    warning: ClassVar = ""

    def get(self, *args: Any, **kwargs: Any) -> Any:
        return self._attempt("get", *args, **kwargs)

    def _attempt(self, method: str, *args: Any, **kwargs: Any) -> Any:
        if self.outage.may_try():
            try:
                answer = getattr(super(), method)(*args, **kwargs)
            except RedisError:
                if self.outage.begin() and self.warning:
                    logger.warning(self.warning)
            else:
                self.outage.end()
                return answer
        return self._stand_in(method, *args, **kwargs)

    def _stand_in(self, method: str, *args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError


class FailoverRedisCache(RestingRedisCache):
    """Redis, falling back to the ``local`` cache: a limit may become one per process, never none at all."""

    outage = Outage()
    warning = "redis unavailable, counting in this process"

    def add(self, *args: Any, **kwargs: Any) -> Any:
        return self._attempt("add", *args, **kwargs)

    def incr(self, key: Any, delta: int = 1, **kwargs: Any) -> Any:
        try:
            return self._attempt("incr", key, delta, **kwargs)
        except ValueError:
            # Redis went or came back since the ``add``: where it counts now, the count begins anew. django-ratelimit
            # would take an error for a limit that is exceeded.
            self.add(key, delta, **kwargs)
            return delta

    def _stand_in(self, method: str, *args: Any, **kwargs: Any) -> Any:
        return getattr(caches["local"], method)(*args, **kwargs)


class OptionalRedisCache(RestingRedisCache):
    """Redis, or nothing: while it does not answer nothing is found and nothing kept."""

    outage = Outage()

    def set(self, *args: Any, **kwargs: Any) -> Any:
        return self._attempt("set", *args, **kwargs)

    def _stand_in(self, method: str, *args: Any, **kwargs: Any) -> None:  # noqa: ARG002 - of the base class
        return None
