"""Where the parts listen: all on 127.0.0.1, the desk on every address where it is opened to the network."""

import random
import socket
from contextlib import suppress
from dataclasses import astuple, dataclass, fields

_CHOICE = range(10_000, 20_000)
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
        """Ports that nothing uses now; for runs beside another sandbox.

        From below the range that outgoing connections are given: still free when a part listens.
        """
        found: list[int] = []
        for port in random.sample(_CHOICE, len(_CHOICE)):
            with socket.socket() as probe, suppress(OSError):
                probe.bind(("127.0.0.1", port))
                found.append(port)
            if len(found) == len(fields(cls)):
                return cls(*found)
        raise PortTaken(f"Of the ports {_CHOICE.start} to {_CHOICE.stop - 1} not enough are free.")

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
