"""Putting the flow and its values into a Kestra, by its public API only."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from dashboard.domain.execution import FlowIdentity
from dashboard.errors import ConfigurationError, InvalidInput
from dashboard.settings import DeploySettings
from dashboard.worker.start import FLOW_ID, NAMESPACE

_KEY = re.compile(r"[A-Z][A-Z0-9_]{0,99}")


class DeployApi(Protocol):
    def validate_flow(self, source: str) -> list[str]: ...

    def find_flow(self, namespace: str, flow_id: str) -> FlowIdentity | None: ...

    def create_flow(self, source: str) -> FlowIdentity: ...

    def update_flow(self, namespace: str, flow_id: str, source: str) -> FlowIdentity: ...

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


def deploy(
    api: DeployApi, source: str, values: Mapping[str, str], say: Callable[[str], None]
) -> FlowIdentity:
    """Create or update the flow, then its values. Raises InvalidInput with Kestra's own findings."""
    problems = api.validate_flow(source)
    if problems:
        raise InvalidInput(
            f"Kestra does not accept the flow: {' '.join(' '.join(problems).split())}",
            means="Nothing was changed.",
            to_do="Check that this Kestra is of the 1.3 or 2.0 line and has the script plugin for Python.",
        )
    before = api.find_flow(NAMESPACE, FLOW_ID)
    if before is None:
        flow = api.create_flow(source)
        say(f"flow {NAMESPACE}.{FLOW_ID} created, revision {flow.revision}")
    else:
        flow = api.update_flow(NAMESPACE, FLOW_ID, source)
        change = "unchanged" if flow.revision == before.revision else "updated"
        say(f"flow {NAMESPACE}.{FLOW_ID} {change}, revision {flow.revision}")
    for key, value in values.items():
        api.put_kv(NAMESPACE, key, value)
        say(f"value {key} stored")
    return flow
