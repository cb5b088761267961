"""A server of S3 on this machine, and buckets in it."""

from contextlib import contextmanager
from uuid import uuid4

from audit.archive import buckets

KEY_ID, SECRET = "AKIAOFATEST", "the-secret-of-a-test"


@contextmanager
def serving():
    """The URL of the server."""
    from moto.server import ThreadedMotoServer  # noqa: PLC0415 - it takes a second to load

    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    try:
        yield f"http://{host}:{port}"
    finally:
        server.stop()


def new_bucket(endpoint, *, has_versions=True):
    """The name of a new bucket."""
    name = f"log-{uuid4()}"
    client = buckets._client(endpoint)
    client.create_bucket(Bucket=name)
    if has_versions:
        client.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    return name


def put(place, name, content):
    """Store an object as another program does, which replaces others."""
    buckets._client(place.endpoint).put_object(Bucket=place.name, Key=place.prefix + name, Body=content)


@contextmanager
def during(place, event, handle):
    """Call ``handle`` at this event of boto3's client."""
    events = buckets._client(place.endpoint).meta.events
    events.register(event, handle)
    try:
        yield
    finally:
        events.unregister(event, handle)
