"""The webhook's key in the text of a flow: found there, put in, and told from the public one."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

import yaml

from dashboard.errors import ConfigurationError
from dashboard.settings import PUBLIC_WEBHOOK_KEY

_KEY = "INCIDENTSCRIBE_WEBHOOK_KEY"
# What needs no escape in an address, nor inside quotes in YAML; Kestra takes at most 256 characters.
_USABLE = re.compile(r"[A-Za-z0-9._~-]{1,256}")


class WebhookKey(NamedTuple):
    """A key of a webhook trigger, and where its value stands in the text of the flow, quotes included."""

    value: str
    start: int
    end: int

    @property
    def is_secret(self) -> bool:
        """The public one is known to everybody, and one that Kestra works out says nothing."""
        return bool(self.value) and self.value != PUBLIC_WEBHOOK_KEY and "{{" not in self.value


@lru_cache(maxsize=8)
def webhook_keys(source: str) -> tuple[WebhookKey, ...]:
    """Those of all webhook triggers; none where the text is no flow. Reading a flow takes a while."""
    try:
        return tuple(_found(yaml.compose(source, Loader=yaml.SafeLoader)))
    except yaml.YAMLError:
        return ()


def with_webhook_key(source: str, key: str) -> str:
    """The flow with this key in the place of the public one; a flow with a key of its own stays as it is.

    While a key is changed two triggers stand beside each other: where one has this key already, the other
    keeps the public one until somebody takes it out. Raises ConfigurationError for a key that is none.
    """
    found = webhook_keys(source)
    if key in (place.value for place in found):
        return source
    for place in reversed(found):
        if place.value == PUBLIC_WEBHOOK_KEY:
            # Quoted: a word of digits, or `true`, would be something else.
            source = f'{source[: place.start]}"{_usable(key)}"{source[place.end :]}'
    return source


def _usable(key: str) -> str:
    if not _USABLE.fullmatch(key):
        raise ConfigurationError(
            f"{_KEY} is no key for a webhook: it may have letters, digits and . _ ~ - only, at most 256.",
            keys=[_KEY],
            to_do="Make one with: openssl rand -hex 24",
        )
    return key


def _found(flow: yaml.Node | None) -> Iterator[WebhookKey]:
    triggers = _child(flow, "triggers")
    for trigger in triggers.value if isinstance(triggers, yaml.SequenceNode) else ():
        kind, key = _child(trigger, "type"), _child(trigger, "key")
        is_webhook = isinstance(kind, yaml.ScalarNode) and kind.value.endswith(".Webhook")
        if is_webhook and isinstance(key, yaml.ScalarNode):
            yield WebhookKey(key.value, key.start_mark.index, key.end_mark.index)


def _child(node: yaml.Node | None, name: str) -> yaml.Node | None:
    if not isinstance(node, yaml.MappingNode):
        return None
    return next((value for key, value in node.value if key.value == name), None)
