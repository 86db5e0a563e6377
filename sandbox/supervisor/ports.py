"""Where the parts listen: all on 127.0.0.1, the desk on every address where it is opened to the network."""

import socket
from dataclasses import astuple, dataclass, fields

EVERY_ADDRESS = "0.0.0.0"  # noqa: S104 - asked for by --lan, for the desk alone


class PortTaken(Exception):
    """A port is in use by another program."""


@dataclass(frozen=True)
class Ports:
    """One port per part."""

    desk: int = 8501
    kestra: int = 8080
    gateway: int = 54321
    postgres: int = 54322
    model: int = 8090
    service: int = 8091

    @classmethod
    def free(cls) -> "Ports":
        """Ports that nothing uses now; for runs beside another sandbox."""
        sockets = [socket.socket() for _ in fields(cls)]
        try:
            for each in sockets:
                each.bind(("127.0.0.1", 0))
            return cls(*(each.getsockname()[1] for each in sockets))
        finally:
            for each in sockets:
                each.close()

    def require_free(self, *, lan: bool = False) -> None:
        """Raises PortTaken naming the part and the port that is in use; `lan`: the desk's on any address."""
        for field, port in zip(fields(self), astuple(self), strict=True):
            with socket.socket() as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                try:
                    probe.bind((EVERY_ADDRESS if lan and field.name == "desk" else "127.0.0.1", port))
                except OSError as error:
                    raise PortTaken(
                        f"Port {port}, which the {field.name} needs, is taken ({error.strerror}). "
                        f"Stop what uses it, or choose another with --{field.name}-port."
                    ) from error
