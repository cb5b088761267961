"""Detection of a PostgreSQL server or client that has disappeared without closing its connection.

If a machine or the network between two machines fails, no packet ends the connection. Without these options, a
request would wait a quarter of an hour for its response. PostgreSQL would keep the session of the lost client for two
hours, with the locks of its transaction: meanwhile, other machines could not change a key or sequence the log.
"""

from typing import Final

IDLE_SECONDS: Final = 5  # without a packet, after which the peer is probed
PROBE_SECONDS: Final = 2
PROBES: Final = 3
UNACKNOWLEDGED_MILLISECONDS: Final = 10_000
CONNECT_SECONDS: Final = 5

# libpq's parameters: https://www.postgresql.org/docs/current/libpq-connect.html
CLIENT_OPTIONS: Final = {
    "connect_timeout": CONNECT_SECONDS,
    "keepalives_idle": IDLE_SECONDS,
    "keepalives_interval": PROBE_SECONDS,
    "keepalives_count": PROBES,
    "tcp_user_timeout": UNACKNOWLEDGED_MILLISECONDS,
}
# The server's settings for our sessions.
SERVER_OPTIONS: Final = (
    f"-c tcp_keepalives_idle={IDLE_SECONDS} -c tcp_keepalives_interval={PROBE_SECONDS} "
    f"-c tcp_keepalives_count={PROBES} -c tcp_user_timeout={UNACKNOWLEDGED_MILLISECONDS}"
)
