"""The rules: which words point to which cause, and what the demo model says about it."""

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from sandbox.model.briefing import Item


@dataclass(frozen=True)
class Cause:
    """A cause the demo model knows. Every sentence is fixed: nothing of the evidence is repeated in it.

    `label` names the cluster, `sign` what a single line shows, `sentence` the cause itself (it follows
    "according to the demo model,"), `restart_helps` whether a restart is worth proposing.
    """

    label: str
    words: str
    sign: str
    sentence: str
    restart_helps: bool
    checks: tuple[str, ...]
    prevention: str

    def shows_in(self, text: str) -> bool:
        return re.search(self.words, text, re.IGNORECASE) is not None


CAUSES = (
    Cause(
        "Connections run out",
        r"connection (pool|leak|limit)|too many connections|pool (is )?exhausted"
        r"|connections? (timeout|timed out)|could not get a connection|acquir\w+ (a )?connection",
        "connections were not available or timed out",
        "connections are taken from the pool and not given back, so that requests wait until they time out",
        True,
        (
            "Compare open connections with the pool's size.",
            "Look for code paths that do not close a connection.",
        ),
        "Close connections on every path and alert on the share of the pool in use.",
    ),
    Cause(
        "Memory runs out",
        r"out of memory|outofmemory|\boom\b|oomkilled|heap space|cannot allocate|memory leak",
        "memory was not available",
        "the process needs more memory than it has, and the memory is not given back",
        True,
        (
            "Compare memory in use with the limit over the last day.",
            "Take a heap dump before the next restart.",
        ),
        "Alert on memory growth and set a limit that leaves time to react.",
    ),
    Cause(
        "Process hangs",
        r"deadlock|thread pool (is )?(full|exhausted)|not responding|unresponsive|stuck|hung"
        r"|health ?check failed",
        "the process did not respond",
        "the process no longer makes progress and does not answer",
        True,
        ("Take a thread dump before the next restart.", "Look for locks that are held while waiting."),
        "Add a liveness check that restarts a process that hangs.",
    ),
    Cause(
        "Disk is full",
        r"no space left|disk (is )?full|disk quota|enospc",
        "no space was left on a disk",
        "a disk is full, so that writes fail",
        False,
        ("List the largest folders of the full disk.", "Check whether log rotation runs."),
        "Alert on free space and rotate logs.",
    ),
    Cause(
        "Certificate is not accepted",
        r"certificate|x509|tls handshake|ssl(error| error)",
        "a TLS certificate was not accepted",
        "a certificate is not accepted any more, most often because it has expired",
        False,
        ("Read the validity dates of the certificate.",),
        "Renew certificates by a schedule and alert three weeks before they expire.",
    ),
    Cause(
        "Requests are throttled",
        r"rate limit|too many requests|\b429\b|throttl",
        "requests were throttled",
        "more requests are sent than the other side allows",
        False,
        ("Compare the request rate with the allowed rate.",),
        "Retry with growing pauses and keep below the allowed rate.",
    ),
    Cause(
        "Dependency is not reachable",
        r"connection refused|econnrefused|no route to host|name resolution|upstream|bad gateway|\b50[234]\b"
        r"|service unavailable|timed? ?out",
        "something the service depends on did not answer",
        "something the service depends on does not answer",
        False,
        ("Check the health of the services this one calls.", "Check name resolution and network rules."),
        "Set short timeouts and a fallback for this dependency.",
    ),
    Cause(
        "Access is refused",
        r"unauthori[sz]ed|forbidden|permission denied|\b40[13]\b|invalid credentials|access denied",
        "access was refused",
        "access is refused, most often because a credential was changed or has expired",
        False,
        ("Check when the credential was last changed.",),
        "Rotate credentials by a schedule that tells the services that use them.",
    ),
    Cause(
        "Code fails",
        r"null ?pointer|undefined is not|traceback|exception|segfault|panic|stack ?trace|typeerror|keyerror",
        "the program raised an error of its own",
        "the program meets a case it does not handle",
        False,
        ("Compare the time of the first error with the last deployment.",),
        "Add a test for the case that failed.",
    ),
)

_OBSERVED = ("log", "cluster", "alert", "metric")


@dataclass(frozen=True)
class Finding:
    """A cause with the numbers of the evidence that points to it, in order."""

    cause: Cause
    evidence: tuple[int, ...]


def findings(evidence: Iterable[Item]) -> list[Finding]:
    """Causes the observed evidence points to, strongest first. A line counts for its first cause only."""
    weight: Counter[Cause] = Counter()
    cited: dict[Cause, list[int]] = {}
    for item in evidence:
        cause = cause_of(item)
        if cause is not None:
            weight[cause] += 3 if item.kind == "cluster" else 1
            cited.setdefault(cause, []).append(item.n)
    return [Finding(cause, tuple(sorted(cited[cause]))) for cause, _ in weight.most_common()]


def cause_of(item: Item) -> Cause | None:
    """The first cause whose words an observed item shows."""
    if item.kind not in _OBSERVED:
        return None
    return next((cause for cause in CAUSES if cause.shows_in(item.text)), None)
