"""A client of the fast path in this process, which keeps the caller of its last request, as a connection does."""

import asyncio

from kernel.http.fast_path import FastResponse


class FastPathConnection:
    """``begun`` counts the requests that were decided at once."""

    is_open = True

    def __init__(self):
        self.begun = 0
        self._caller = self._done = None

    async def send(self, route, request, body):
        """The ``FastResponse``, or None if Django has to respond."""
        self._done = asyncio.get_running_loop().create_future()
        caller = self._caller or route.find_caller(request)
        if caller is None or not route.begin(caller, request.request_id, body, self):
            self._caller = None
            return await route(request, body)
        self._caller = caller
        self.begun += 1
        response, failure = await self._done
        if response is not None:
            return response
        self._caller = None
        return await route(request, body, failure)

    def respond(self, _head, body):
        self._done.set_result((FastResponse(200, [], body), None))

    def retry(self, failure):
        self._done.set_result((None, failure))
