"""``files.replacing`` for asyncio: the waits for the disk happen in a thread."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import IO

from ciphercanary_client import files


@asynccontextmanager
async def replacing(target: files.StrPath, mode: int) -> AsyncIterator[IO[bytes]]:
    manager = files.replacing(target, mode)
    file = await asyncio.to_thread(manager.__enter__)
    try:
        yield file
    except BaseException as error:
        # Without a thread: a cancelled task could not wait for it.
        manager.__exit__(type(error), error, error.__traceback__)
        raise
    await asyncio.to_thread(manager.__exit__, None, None, None)
