"""The desk on the network: under which address of this machine a phone reaches it."""

import io
import socket

# From a range that is never routed (RFC 5737): asking for the way there sends nothing.
_ELSEWHERE = ("203.0.113.1", 9)


class NoNetwork(Exception):
    """This machine has no address that another device could reach."""


def find_address() -> str:
    """The IPv4 address from which this machine speaks to others. Raises NoNetwork."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(_ELSEWHERE)
            address: str = probe.getsockname()[0]
        except OSError:
            address = ""
    if not address or address.startswith(("127.", "0.")):
        raise NoNetwork("This machine is in no network, so LAN=1 would open the desk to nobody.")
    return address


def qr_code(text: str) -> str:
    """A QR code to be photographed from a terminal, as lines of block letters."""
    # Only who opens the desk to the network needs it.
    import segno

    lines = io.StringIO()
    segno.make(text, error="l").terminal(lines, border=2, compact=True)
    return lines.getvalue()
