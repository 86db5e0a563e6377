"""`incidentscribe audit`: verify the chains of the audit log, and export their heads."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from pydantic import TypeAdapter, ValidationError
from supabase import Client

from dashboard.domain.audit import verify
from dashboard.errors import ConfigurationError, TamperedLog
from dashboard.store import audit
from dashboard.store.audit import Head

Say = Callable[[str], None]
_HEADS = TypeAdapter(list[Head])


def heads_as_json(service: Client) -> str:
    """The heads of all chains, to be kept where the database's owner cannot write."""
    heads = [audit.get_head(service, chain.organization_id) for chain in audit.list_chains(service)]
    return json.dumps([head.model_dump(mode="json", exclude={"unchained"}) for head in heads], indent=2)


def read_heads(path: Path) -> list[Head]:
    """Heads exported before. Raises ConfigurationError for a file that holds none."""
    try:
        return _HEADS.validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise ConfigurationError(
            f"{path} holds no heads of an audit log.",
            to_do="Name a file written by: incidentscribe audit head.",
        ) from error


def verify_all(service: Client, kept: list[Head], say: Say) -> None:
    """Read every chain, compute every hash, say what was found. Raises TamperedLog."""
    wrong = 0
    chains = audit.list_chains(service)
    for chain in chains:
        expected = {
            head.position: head.hash for head in kept if head.organization_id == chain.organization_id
        }
        head = audit.get_head(service, chain.organization_id)
        result = verify(audit.read_chain(service, chain.organization_id), expected)
        for finding in result.findings:
            say(f"{chain.slug}: entry {finding.position}: {finding.problem}")
        for entry in head.unchained:
            say(f"{chain.slug}: row {entry} of audit_log stands in no chain")
        wrong += len(result.findings) + len(head.unchained)
        say(f"{chain.slug}: {result.position} entries read, the last hash is {result.hash}")
    known = {chain.organization_id for chain in chains}
    for head in kept:
        if head.organization_id not in known and head.position:
            say(f"{head.organization_id}: the organization of a kept head is gone")
            wrong += 1
    if wrong:
        raise TamperedLog(f"The audit log was tampered with: {wrong} findings.")
