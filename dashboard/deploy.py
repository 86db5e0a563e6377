"""Putting the flow and its values into a Kestra, by its public API only.

What would change is read first and can be shown without changing anything. The namespace needs no step of its
own: Kestra has it as soon as a flow is in it.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Protocol

import httpx
import yaml

from dashboard.domain.execution import FlowIdentity
from dashboard.errors import (
    ConfigurationError,
    IncidentScribeError,
    InvalidInput,
    NotAllowed,
    UpstreamProtocolError,
    or_error,
)
from dashboard.kestra_api.address import KEY, AddressBook
from dashboard.kestra_api.models import KvValue
from dashboard.settings import PUBLIC_WEBHOOK_KEY, DeploySettings
from dashboard.store import config
from dashboard.store.connection import as_service, new_http_client
from dashboard.terminal import printable
from dashboard.webhook_key import webhook_keys
from dashboard.worker.start import FLOW_ID, NAMESPACE

_KEY = re.compile(r"[A-Z][A-Z0-9_]{0,99}")
_SECRET_LENGTH = 12


class DeployApi(Protocol):
    def validate_flow(self, source: str) -> list[str]: ...

    def find_flow(self, namespace: str, flow_id: str) -> FlowIdentity | None: ...

    def create_flow(self, source: str) -> FlowIdentity: ...

    def update_flow(self, namespace: str, flow_id: str, source: str) -> FlowIdentity: ...

    def find_kv(self, namespace: str, key: str) -> KvValue | None: ...

    def put_kv(self, namespace: str, key: str, value: str) -> None: ...


def kv_from_settings(settings: DeploySettings) -> dict[str, str]:
    """The flow's values; also those that have a default, so that an older one does not stay behind."""
    return {
        "SUPABASE_URL": settings.flow_supabase_url or settings.supabase_url,
        "SUPABASE_SERVICE_ROLE_KEY": settings.supabase_service_role_key.get_secret_value(),
        "GEMINI_API_KEY": settings.gemini_api_key.get_secret_value(),
        "GEMINI_BASE_URL": settings.gemini_base_url,
        "GEMINI_MODEL": settings.gemini_model,
    }


def kv_from_environment(assignments: Sequence[str], environment: Mapping[str, str]) -> dict[str, str]:
    """Read `NAME=env:VARIABLE` texts. A value itself is never on a command line, where others see it."""
    values = {}
    for assignment in assignments:
        name, _, source = assignment.partition("=")
        kind, _, variable = source.partition(":")
        if not _KEY.fullmatch(name) or kind != "env" or not variable:
            raise ConfigurationError(
                f"--kv takes NAME=env:VARIABLE with NAME in capitals; {name or 'this'} is none.", to_do=""
            )
        if not environment.get(variable):
            raise ConfigurationError(f"{variable} is not set, but --kv {name} names it.", keys=[variable])
        values[name] = environment[variable]
    return values


def kestra_in_force(
    settings: DeploySettings, say: Callable[[str], None], transport: httpx.BaseTransport | None = None
) -> str:
    """The address that desk and worker use too, and says which one it is and why."""
    book = AddressBook(settings.kestra_url, settings.kestra_allowed_hosts)
    with new_http_client(transport) as http:
        written = or_error(lambda: config.find_written(as_service(settings, http), KEY))
    if isinstance(written, IncidentScribeError):
        why = f"from the environment; whether system_config has another is not known: {written.what}"
    else:
        book.take(written)
        why = "as system_config says" if written else "from the environment"
        if book.current.refused:
            why = f"from the environment; that of system_config is refused: it {book.current.refused}"
    say(printable(f"Kestra at {book.current.url}, {why}"))
    return book.current.url


class Standing(StrEnum):
    """How a value of ours stands to the one that Kestra has."""

    NEW = "new"
    SAME = "unchanged"
    DIFFERS = "differs"
    UNREADABLE = "cannot be read"


@dataclass(frozen=True, slots=True)
class Plan:
    """The flow's file and our values, beside what Kestra has. Values never leave it in words."""

    source: str
    before: FlowIdentity | None
    values: Mapping[str, str]
    standing: Mapping[str, Standing]

    @property
    def flow_is_same(self) -> bool:
        """Blanks at the ends are Kestra's business; a flow that is switched off stays so."""
        return self.before is not None and self.before.source.strip() == self.source.strip()

    @property
    def changes_nothing(self) -> bool:
        return self.flow_is_same and all(found is Standing.SAME for found in self.standing.values())

    def difference(self) -> Iterator[str]:
        """The flow in Kestra against the file, as a unified diff; our values and webhook keys are hidden."""
        before = self.before.source if self.before else ""
        lines = difflib.unified_diff(
            before.strip().splitlines(),
            self.source.strip().splitlines(),
            "Kestra",
            "this version",
            lineterm="",
        )
        # Somebody may have pasted a key into the flow. Short values are addresses' parts and words.
        pasted = [value for value in self.values.values() if len(value) >= _SECRET_LENGTH]
        hidden = sorted({*pasted, *_secret_keys(before), *_secret_keys(self.source)}, key=len, reverse=True)
        for line in lines:
            for secret in hidden:
                line = line.replace(secret, "[hidden]")
            # What stands in Kestra may be anybody's: nothing of it steers the terminal.
            yield printable(line)

    @property
    def lost_keys(self) -> int:
        """How many keys of the webhook Kestra's flow has, and this one not."""
        before = webhook_keys(self.before.source) if self.before else ()
        return len({found.value for found in before} - {found.value for found in webhook_keys(self.source)})


def _secret_keys(source: str) -> Iterator[str]:
    """The webhook's keys in a flow, as they are written there and as they are meant."""
    for found in webhook_keys(source):
        if found.is_secret:
            yield from (found.value, source[found.start : found.end])


def read_flow(file: Path) -> str:
    """A flow's text that is ours by namespace and id, whatever else was changed. Raises InvalidInput."""
    try:
        source = file.read_text(encoding="utf-8")
        flow = yaml.safe_load(source)
    except OSError as error:
        raise InvalidInput(f"{file} cannot be read: {error.strerror}.") from error
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        raise InvalidInput(f"{file} is no YAML.") from error
    named = (flow.get("namespace"), flow.get("id")) if isinstance(flow, dict) else None
    if named != (NAMESPACE, FLOW_ID):
        raise InvalidInput(
            f"{file} is not the flow {FLOW_ID} of the namespace {NAMESPACE}.",
            means="Nothing was changed. Desk and worker know the flow by these names.",
            to_do="Save other flows in Kestra's own editor.",
        )
    return source


def read_plan(api: DeployApi, source: str, values: Mapping[str, str]) -> Plan:
    """What a deployment would change; changes nothing. Raises InvalidInput with Kestra's own findings.

    Raises ConfigurationError where it would put the public webhook key in the place of a secret one.
    """
    problems = api.validate_flow(source)
    if problems:
        raise InvalidInput(
            f"Kestra does not accept the flow: {' '.join(' '.join(problems).split())}",
            means="Nothing was changed.",
            to_do="Check that this Kestra is of the 1.3 or 2.0 line and has the script plugin for Python.",
        )
    before = api.find_flow(NAMESPACE, FLOW_ID)
    _refuse_to_open(before.source if before else "", source)
    return Plan(source, before, values, {key: _standing(api, key, value) for key, value in values.items()})


def _refuse_to_open(before: str, source: str) -> None:
    """Whoever forgot the setting would lock all callers out, and let in everybody who knows our file."""
    theirs, ours = ({found.value for found in webhook_keys(text)} for text in (before, source))
    if PUBLIC_WEBHOOK_KEY in ours and theirs and PUBLIC_WEBHOOK_KEY not in theirs:
        raise ConfigurationError(
            "The flow in Kestra has a webhook key of its own, and this one has the public key.",
            keys=["INCIDENTSCRIBE_WEBHOOK_KEY"],
            means="Nothing was changed: whoever knows this repository could have started runs.",
            to_do="Set INCIDENTSCRIBE_WEBHOOK_KEY to the key that desk and worker have.",
        )


def _standing(api: DeployApi, key: str, value: str) -> Standing:
    try:
        found = api.find_kv(NAMESPACE, key)
    except (NotAllowed, UpstreamProtocolError):
        # Kestra may let somebody write values and not read them.
        return Standing.UNREADABLE
    if found is None:
        return Standing.NEW
    return Standing.SAME if (found.type, found.value) == ("STRING", value) else Standing.DIFFERS


def describe(plan: Plan, say: Callable[[str], None]) -> None:
    """Say what would change."""
    name = f"flow {NAMESPACE}.{FLOW_ID}"
    if plan.before is None:
        say(f"{name}: new")
        say(f"namespace {NAMESPACE}: comes with its first flow")
    elif plan.flow_is_same:
        say(f"{name}: unchanged, revision {plan.before.revision}")
    else:
        say(f"{name}: differs from revision {plan.before.revision}")
        for line in plan.difference():
            say(line)
    if plan.lost_keys:
        count = "a webhook key" if plan.lost_keys == 1 else f"{plan.lost_keys} webhook keys"
        say(f"{name}: {count} of Kestra's would be no more, and whoever uses it gets 404 from then on")
    if plan.before and plan.before.disabled:
        say(f"{name}: it is switched off in Kestra and stays so until somebody switches it on there")
    for key, standing in plan.standing.items():
        say(f"value {key}: {standing}")


def carry_out(api: DeployApi, plan: Plan, say: Callable[[str], None]) -> None:
    """Create or update the flow, then the values that are not as they should be."""
    name = f"flow {NAMESPACE}.{FLOW_ID}"
    if plan.changes_nothing:
        say("Nothing to do.")
        return
    if plan.before is None:
        say(f"{name} created, revision {api.create_flow(plan.source).revision}")
    elif not plan.flow_is_same:
        say(f"{name} updated, revision {api.update_flow(NAMESPACE, FLOW_ID, plan.source).revision}")
    for key, value in plan.values.items():
        if plan.standing[key] is not Standing.SAME:
            api.put_kv(NAMESPACE, key, value)
            say(f"value {key} stored")
