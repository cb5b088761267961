"""nginx with the configuration of ``deploy/nginx``, on a loopback port, and a certificate of its own."""

import os
import shutil
import socket
import ssl
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from kernel.crypto.asymmetric import certificates
from tests.services.processes import Server, Unavailable

ROOT = Path(__file__).resolve().parents[2]
LISTEN = "listen 8443 ssl;"
PROGRAM = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")


class Nginx(Server):
    """A proxy for ``upstreams``, each ``host:port``."""

    name = "nginx"

    def __init__(self, folder: Path, upstreams: Sequence[str]) -> None:
        if PROGRAM is None:
            raise Unavailable("no nginx found; install it")
        folder.mkdir()
        folder.chmod(0o711)  # nginx's workers have another account; the umask can be 077
        super().__init__(folder)
        self.program = PROGRAM
        self.upstreams = upstreams
        self.certificate = folder / "tls" / "certificate.pem"

    @property
    def tls(self) -> ssl.SSLContext:
        """For clients, which trust only the certificate of this proxy."""
        return ssl.create_default_context(cafile=str(self.certificate))

    def command(self) -> Sequence[str | Path]:
        self._configure()
        return [self.program, "-p", self.folder, "-c", self.folder / "nginx.conf", "-g", "daemon off;"]

    def responds(self) -> bool:
        try:
            with (
                socket.create_connection(("127.0.0.1", self.port), timeout=5) as plain,
                self.tls.wrap_socket(plain, server_hostname="127.0.0.1"),
            ):
                return True
        except OSError:
            return False

    def _configure(self) -> None:
        text = (ROOT / "deploy" / "nginx" / "nginx.conf").read_text()
        if LISTEN not in text:
            raise Unavailable(f"deploy/nginx/nginx.conf does not contain {LISTEN!r}")
        (self.folder / "nginx.conf").write_text(
            text.replace(LISTEN, f"listen 127.0.0.1:{self.port} ssl;").replace("/dev/stdout", "access.log")
        )
        servers = "".join(f"server {upstream};\n" for upstream in self.upstreams)
        (self.folder / "upstream.conf").write_text(servers)
        self.certificate.parent.mkdir(exist_ok=True)
        if not self.certificate.exists():
            certificate, key = certificates.self_signed(["127.0.0.1"], now=datetime.now(UTC))
            self.certificate.write_bytes(certificate)
            self.certificate.with_name("key.pem").write_bytes(key)
