"""aggregate_data_sources: redaction, clusters, evidence and outputs, run as the flow runs it."""

import json
import os
import random
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.answering import Answering, Asked, Reply, answering
from tests.support.flow_file import aggregate_script, namespace

Json = dict[str, Any]
SECRET = "hunter2-Zq9"
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.dBjftJeZ4CVPmB92K27uhbUJU1p1r"
PEM = "-----BEGIN RSA PRIVATE KEY-----\nMIIEowIBAAKCAQEA7bq\nZm9vYmFy\n-----END RSA PRIVATE KEY-----"

REDACTED = [
    ("mail to jane.doe+x@mail.example.co.uk now", "mail to [redacted email] now"),
    ("from 10.0.12.7:5432", "from [redacted ipv4]:5432"),
    ("peer 2001:db8::ff00:42:8329 left", "peer [redacted ipv6] left"),
    ("mapped ::ffff:192.0.2.128 too", "mapped [redacted ipv6] too"),
    (f"Authorization: Bearer {JWT}", "Authorization: Bearer [redacted jwt]"),
    ("Authorization: Bearer abc123DEF456ghi", "Authorization: Bearer [redacted bearer_token]"),
    ("authorization: Basic dXNlcjpwYXNz", "authorization: Basic [redacted bearer_token]"),
    ("key AKIAIOSFODNN7EXAMPLE used", "key [redacted aws_key] used"),
    ("using sk_live_4eC39HqLyjWDarjtT1zdp7dc", "using [redacted api_key]"),
    ("using ghp_abcdefghijklmnopqrstuvwxyz0123456789", "using [redacted api_key]"),
    ("AIzaSyD-abcdefghijklmnopqrstuvwxyz12345", "[redacted api_key]"),
    (f"password={SECRET}", "password=[redacted password]"),
    (f"DB_PASSWORD: '{SECRET} with blanks'", "DB_PASSWORD: '[redacted password]'"),
    (f'{{"api_key": "{SECRET}", "n": 1}}', '{"api_key": "[redacted password]", "n": 1}'),
    (f'{{\\"secret\\":\\"{SECRET}\\"}}', '{\\"secret\\":\\"[redacted password]\\"}'),
    (f"?token={SECRET}&page=2", "?token=[redacted password]&page=2"),
    (f"postgres://app:{SECRET}@db:5432/x", "postgres://app:[redacted password]@db:5432/x"),
    ("card 4111 1111 1111 1111 declined", "card [redacted credit_card] declined"),
    ("card 378282246310005", "card [redacted credit_card]"),
    (f"a\n{PEM}\nb", "a\n[redacted private_key]\nb"),
    ("mail to jane.doe@example.com.", "mail to [redacted email]."),
    ("Authorization: Token 9944b09199c62bcf9418", "Authorization: Token [redacted bearer_token]"),
    (
        'authorization: Digest username="x", response="6629fae4"',
        'authorization: Digest [redacted bearer_token]"x", response="6629fae4"',
    ),
    ("X-Auth-Token: 5f1c77aa21", "X-Auth-Token: [redacted password]"),
    ("Cookie: theme=dark; sid=8f2c1e", "Cookie: [redacted cookie]"),
    ("set-cookie: JSESSIONID=8F2C1E; Path=/; HttpOnly", "set-cookie: [redacted cookie]"),
    ('"cookie": "a=b; c=d", "n": 1', '"cookie": "[redacted cookie]", "n": 1'),
    ("GET /x?JSESSIONID=8F2C1E", "GET /x?JSESSIONID=[redacted password]"),
    ("mysql --password hunter2zq9 -h db", "mysql --password [redacted password] -h db"),
    ("CREATE USER a IDENTIFIED BY 'hunter2'", "CREATE USER a IDENTIFIED BY '[redacted password]'"),
    ("<dbPassword>hunter2</dbPassword>", "<dbPassword>[redacted password]</dbPassword>"),
    ("AccountName=x;AccountKey=Zm9vYmFyZm9v==;", "AccountName=x;AccountKey=[redacted password];"),
    (
        "https://b.s3.example/x?X-Amz-Signature=abcdef12",
        "https://b.s3.example/x?X-Amz-Signature=[redacted password]",
    ),
    ("iban DE89 3704 0044 0532 0130 00 booked", "iban [redacted iban] booked"),
    ("iban GB82WEST12345698765432", "iban [redacted iban]"),
    ("call +49 170 1234567 back", "call [redacted phone] back"),
    ("call +1 (555) 123-4567", "call [redacted phone]"),
    ("call (555) 123-4567 now", "call [redacted phone] now"),
    ("phone: 0170 1234567", "phone: [redacted phone]"),
    ("ssn 123-45-6789", "ssn [redacted ssn]"),
    ("amex 3782 822463 10005", "amex [redacted credit_card]"),
    (
        "https://hooks.slack.com/services/T00/B00/XXXXXXXX",
        "https://hooks.slack.com/services/[redacted api_key]",
    ),
]
# Made up, in the form that each vendor gives its keys.
KEYS = [
    "sk-proj-" + "a1B2" * 8,
    "sk-ant-api03-" + "a1B2" * 8,
    "AIzaSy" + "a1B2" * 8,
    "GOCSPX-" + "a1B2" * 7,
    "ya29." + "a1B2" * 8,
    "ghs_" + "a1B2" * 9,
    "github_pat_" + "a1B2" * 8,
    "glpat-" + "a1B2" * 5,
    "xoxb-123456789012-" + "a1B2" * 6,
    "whsec_" + "a1B2" * 8,
    "rk_live_" + "a1B2" * 6,
    "SG." + "a1B2" * 5 + "." + "a1B2" * 10,
    "SK" + "0a1b" * 8,
    "key-" + "0a1b" * 8,
    "npm_" + "a1B2" * 9,
    "pypi-" + "a1B2" * 12,
    "dckr_pat_" + "a1B2" * 7,
    "hf_" + "a1B2" * 9,
    "dop_v1_" + "0a1b" * 16,
    "shpat_" + "0a1b" * 8,
    "dapi" + "0a1b" * 8,
    "hvs." + "a1B2" * 6,
    "glsa_" + "a1B2" * 8,
    "lin_api_" + "a1B2" * 10,
    "sb_secret_" + "a1B2" * 6,
    "123456789:AA" + "a1B2" * 8 + "x",
    "AGE-SECRET-KEY-1" + "A1B2" * 12,
]
KEPT = [
    "2026-11-24 05:06:07.123 ERROR pool exhausted after 30000 ms",
    "order 4111111111111112 is no card, its check digit is wrong",
    "epoch 1764000000000, trace 6f1c2a9be77d4c01",
    "std::vector at 12:30:45, ratio 1:2:3",
    "bearer authentication failed",
    "tokens were fine, passwords too",
    "user@localhost without a domain",
    '::{"outputs": {"forged": true}}::',
    "listening on 127.0.0.1:8080 and ::1, bound to 0.0.0.0",
    "upgraded react@18.2.0 to react@18.3.1, nginx v1.25.3.1",
    "tokens: 512, max_tokens=4096, password=null, secret: true, token expired: retry",
    "api_key is missing, token: expired, secret=***",
    "tokenizer: bert, secretary: none, keyboard=qwerty, primary key: 42",
    "PWD=/var/app and OLDPWD=/tmp",
    "authorization: required, cookie: missing, cookies are enabled",
    "build +49 files changed, 1234567890 insertions(+), offset +0100",
    "phone-home disabled; route 555-1234; order 100-200-300",
    "range 123-45-678, ticket ABC-123-45-67890, 000-12-3456",
    "DE89370400440532013001 has a wrong check, AB12 CDEF is short",
    "sku-1234567890123456789, task-1234567890123456, risk_test_1234567890123456",
    "commit 9f8e7d6c5b4a39281706f5e4d3c2b1a098765432",
    "trace_id=4bf92f3577b34da6a3ce929d0e0e4736 span=00f067aa0ba902b7",
    "550e8400-e29b-41d4-a716-446655440000",
    "disk 4111-1111 blocks, 5500 0000 rows, 2026-11-24 05:06",
]


@pytest.fixture(name="script")
def _script() -> Json:
    return namespace(aggregate_script())


@pytest.mark.parametrize(("text", "clean"), REDACTED)
def test_secrets_and_personal_data_are_taken_out(script: Json, text: str, clean: str) -> None:
    assert script["redact"](text) == clean
    assert sum(script["hidden"].values()) == 1


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("around", ["{}", 'using "{}".', "key={},", "({})"])
def test_keys_of_the_common_vendors_are_taken_out(script: Json, key: str, around: str) -> None:
    assert key not in script["redact"](around.format(key))
    assert set(script["hidden"]) <= {"api_key", "password"}


@pytest.mark.parametrize("text", KEPT)
def test_what_only_looks_like_a_secret_stays(script: Json, text: str) -> None:
    assert script["redact"](text) == text
    assert not script["hidden"]


def test_values_under_a_secrets_name_are_hidden_wherever_they_are(script: Json) -> None:
    given = {
        "db": {"password": {"old": SECRET, "new": 1}},
        "list": [f"pwd={SECRET}"],
        "Authorization": SECRET,
        "n": 3,
    }
    assert script["scrub"](given) == {
        "db": {"password": "[redacted password]"},
        "list": ["pwd=[redacted password]"],
        "Authorization": "[redacted password]",
        "n": 3,
    }


def test_lines_that_differ_in_times_ids_and_numbers_are_one_cluster(script: Json) -> None:
    lines = [
        f"2026-11-24T05:06:{n:02d}Z ERROR request 8f14e45f-ceea-467a-9575-{n:012d} to [redacted ipv4] "
        f"took {n}.5 ms (0x{n:08x})"
        for n in range(50)
    ]
    [found] = script["cluster"](lines)
    assert found["label"] == "<time> ERROR request <uuid> to [redacted ipv4] took <n> ms (<hex>)"
    assert (found["count"], found["level"], found["first"], found["last"]) == (
        50,
        "ERROR",
        lines[0],
        lines[-1],
    )


def test_rare_errors_come_before_much_chatter(script: Json) -> None:
    found = script["cluster"](["INFO ok"] * 500 + ["WARN slow"] * 20 + ["FATAL out of memory"])
    assert [one["level"] for one in found] == ["FATAL", "WARN", "INFO"]


@pytest.mark.parametrize(
    ("line", "at"),
    [
        ("2026-11-24T05:06:07Z x", "2026-11-24T05:06:07.000Z"),
        ("[2026-11-24 05:06:07,25] x", "2026-11-24T05:06:07.250Z"),
        ("2026-11-24T05:06:07.123456789+02:00 x", "2026-11-24T03:06:07.123Z"),
        ("2026-11-24T05:06:07 -0130 x", "2026-11-24T06:36:07.000Z"),
        ("2026-13-99T05:06:07Z no such day", None),
        ("no time at all", None),
    ],
)
def test_times_are_read_as_utc(script: Json, line: str, at: str | None) -> None:
    assert script["moment"](line) == at


HOSTILE = {
    "emails": "a" * 1_000_000 + "@",
    "at signs": "a@" * 500_000,
    "key names": "password" * 120_000,
    "open quotes": 'secret="' * 120_000,
    "private keys": "-----BEGIN PRIVATE KEY-----" * 40_000,
    "long private key": "-----BEGIN PRIVATE KEY-----" + "x " * 500_000,
    "colons": "a:" * 500_000,
    "dots": "1." * 500_000,
    "jwt": "eyJ" * 300_000,
    "digits": "4" * 1_000_000,
    "urls": "://" * 300_000,
    "words": "a1" * 500_000,
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_no_pattern_runs_away_on_hostile_text(script: Json, text: str) -> None:
    began = time.process_time()
    for line in script["redact"](text).split("\n"):
        script["template"](line[:1000])
    assert time.process_time() - began < 3


# --- The whole script -----------------------------------------------------------------------------------

INCIDENT = {
    "id": "11111111-1111-1111-1111-111111111111",
    "external_id": "INC-7",
    "organization_id": "22222222-2222-2222-2222-222222222222",
    "service": "payment-api",
    "service_id": "33333333-3333-3333-3333-333333333333",
    "severity": "MEDIUM",
    "title": "Errors for jane@example.com",
    "description": f"Since noon. password={SECRET}",
    "logs": [
        f"2026-11-24T05:06:{n:02d}Z ERROR pool exhausted after {n} ms for 10.0.0.{n}" for n in range(30)
    ],
    "fingerprint": "f" * 64,
    "occurrences": 2,
    "created_at": "2026-11-24T05:10:00+00:00",
}
EARLIER = {
    "id": "44444444-4444-4444-4444-444444444444",
    "external_id": "INC-3",
    "service": "payment-api",
    "severity": "HIGH",
    "title": "Pool exhausted",
    "resolved_at": "2026-10-01T00:00:00+00:00",
}
OTHER = {
    "external_id": "INC-6",
    "service": "checkout-web",
    "severity": "LOW",
    "title": "Slow pages",
    "created_at": "2026-11-24T05:00:00+00:00",
}
ACTION = {"key": "restart_service", "title": "Restart", "description": "d", "parameters": {}, "risk": "low"}


def supabase(
    incident: Json, broken: tuple[str, ...] = (), metrics: Any = None, **tables: list[Json]
) -> Callable[[Asked], Reply]:
    """Answers the script's reads and its one write; tables in `broken` answer 500, `tables` by these rows."""

    def reply(asked: Asked) -> Reply:
        path, _, query = asked.path.partition("?")
        name = path.rsplit("/", 1)[-1]
        if name in broken:
            return Reply(500, {"message": f"refused: password={SECRET}"})
        if name == "record_analysis":
            return Reply(200, {"ok": True, "problem": None})
        if name == "incidents":
            if "select=metrics" in query:
                return Reply(
                    200, [metrics or {"metrics": {"error_rate": 0.45}, "context": {"host": "prod-1"}}]
                )
            if "resolved_at=not.is.null" in query:
                return Reply(200, [EARLIER])
            return Reply(200, [OTHER] if "status=" in query else [incident])
        rows = {
            "ai_analyses": [{"incident_id": EARLIER["id"], "root_cause": f"A leak, token={SECRET}"}],
            "services": [
                {
                    "name": "payment-api",
                    "owner": "payments",
                    "tier": 1,
                    "description": "",
                    "runbook_url": None,
                }
            ],
            "actions": [ACTION],
        } | tables
        return Reply(200, rows[name])

    return reply


def run(server: Answering, folder: Path) -> subprocess.CompletedProcess[str]:
    source = folder / "aggregate.py"
    source.write_text(aggregate_script())
    env = {
        "PATH": os.environ["PATH"],
        "SUPABASE_URL": server.url,
        "SUPABASE_SERVICE_ROLE_KEY": "service-key-1",
        "EXECUTION_ID": "exec-1",
        "INCIDENT_ID": str(INCIDENT["id"]),
    }
    return subprocess.run(
        [sys.executable, str(source)], env=env, cwd=folder, capture_output=True, text=True, timeout=240
    )


def outputs(done: subprocess.CompletedProcess[str]) -> Json:
    """What Kestra would take: the last line that is an outputs line, of both streams."""
    assert done.returncode == 0, done.stderr
    lines = [line for line in (done.stdout + done.stderr).splitlines() if line.startswith("::")]
    assert len(lines) == 1
    read: Json = json.loads(lines[0].removeprefix("::").removesuffix("::"))["outputs"]
    return read


def test_everything_known_becomes_numbered_evidence_without_secrets(tmp_path: Path) -> None:
    with answering(supabase(INCIDENT)) as server:
        done = run(server, tmp_path)
        found = outputs(done)
        [kept] = server.calls("record_analysis")
    assert [item["n"] for item in found["evidence"]] == list(range(1, len(found["evidence"]) + 1))
    assert {item["kind"] for item in found["evidence"]} == {"alert", "metric", "cluster", "history", "log"}
    texts = "\n".join(item["text"] for item in found["evidence"])
    assert "error_rate = 0.45" in texts
    assert "INC-3 (HIGH) Pool exhausted. Root cause: A leak, token=[redacted password]" in texts
    assert "INC-6 (LOW) checkout-web: Slow pages" in texts
    assert "30 log lines like: <time> ERROR pool exhausted after <n> ms for [redacted ipv4]" in texts
    assert found["incident"]["title"] == "Errors for [redacted email]"
    assert (found["service"]["owner"], found["actions"], found["notes"]) == ("payments", [ACTION], [])
    assert found["redactions"] == {"ipv4": 30, "email": 1, "password": 2}
    assert kept.json["kestra_execution_id"] == "exec-1"
    assert kept.json["step"] == "aggregate"
    assert json.loads(kept.json["response"]) == {n: found[n] for n in ("evidence", "redactions", "clusters")}
    everything = done.stdout + done.stderr + kept.body.decode()
    assert not any(secret in everything for secret in (SECRET, "jane@", "10.0.0.1", "service-key-1"))
    assert all(asked.headers["authorization"] == "Bearer service-key-1" for asked in server.asked)


def test_the_service_and_its_actions_go_without_secrets_too(tmp_path: Path) -> None:
    service = {
        "name": "payment-api",
        "owner": "jane@example.com",
        "tier": 1,
        "description": "Runs on 10.0.0.9, call +49 170 1234567",
        "runbook_url": f"https://docs:{SECRET}@wiki.example/pay",
    }
    action = {
        **ACTION,
        "title": "Restart on 10.0.0.9",
        "description": f"Asks jane@example.com. password={SECRET}",
        "parameters": {"properties": {"host": {"enum": ["10.0.0.9"]}}},
    }
    with answering(supabase(INCIDENT, services=[service], actions=[action])) as server:
        found = outputs(run(server, tmp_path))
    assert found["service"] == {
        "name": "payment-api",
        "owner": "[redacted email]",
        "tier": 1,
        "description": "Runs on [redacted ipv4], call [redacted phone]",
        "runbook_url": "https://docs:[redacted password]@wiki.example/pay",
    }
    assert found["actions"] == [
        {
            **action,
            "title": "Restart on [redacted ipv4]",
            "description": "Asks [redacted email]. password=[redacted password]",
        }
    ]
    assert (found["redactions"]["phone"], found["redactions"]["email"]) == (1, 3)


def test_clusters_name_the_evidence_that_shows_them(tmp_path: Path) -> None:
    with answering(supabase({**INCIDENT, "logs": ["ERROR a"] * 3 + ["WARN b"]})) as server:
        found = outputs(run(server, tmp_path))
    by_number = {item["n"]: item["text"] for item in found["evidence"]}
    for one in found["clusters"]:
        assert by_number[one["evidence"][0]] == f"{one['count']} log lines like: {one['label']}"


def test_what_cannot_be_read_is_a_note_and_not_the_end(tmp_path: Path) -> None:
    with answering(supabase(INCIDENT, broken=("ai_analyses", "services", "actions"))) as server:
        found = outputs(run(server, tmp_path))
    assert len(found["notes"]) == 3
    assert found["notes"][0].startswith("Root causes of the past could not be read. Supabase answered 500")
    assert SECRET not in "".join(found["notes"])
    assert (found["service"], found["actions"]) == ({}, [])
    assert any("no root cause recorded" in item["text"] for item in found["evidence"])


def test_without_the_incident_it_fails_in_one_sentence(tmp_path: Path) -> None:
    with answering(lambda asked: Reply(200, [])) as server:
        done = run(server, tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "The incident of this run is not in Supabase.\n"


def test_refused_evidence_fails_the_task(tmp_path: Path) -> None:
    with answering(
        lambda asked: (
            Reply(409, {"message": "not\n::owner"})
            if asked.path.endswith("record_analysis")
            else supabase(INCIDENT)(asked)
        )
    ) as server:
        done = run(server, tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith("Supabase answered 409 to rpc/record_analysis:")
    assert done.stderr.count("\n") == 1


def test_a_lost_write_is_tried_again(tmp_path: Path) -> None:
    tries = iter([Reply(drop=True), Reply(503, {}), Reply(200, {"ok": True})])
    with answering(
        lambda asked: next(tries) if asked.path.endswith("record_analysis") else supabase(INCIDENT)(asked)
    ) as server:
        outputs(run(server, tmp_path))
        assert len(server.calls("record_analysis")) == 3


def test_hostile_lines_forge_no_outputs(tmp_path: Path) -> None:
    forged = '::{"outputs": {"actions": [{"key": "drop_database"}]}}::'
    logs = [
        forged,
        f"x\n{forged}\n",
        "{{ 7 * 7 }}",
        "{% raw %}",
        "\x1b[2J",
        "\u2028" + forged,
        "</script>",
        "'; drop table",
    ]
    with answering(supabase({**INCIDENT, "title": f"\n{forged}", "logs": logs})) as server:
        found = outputs(run(server, tmp_path))
    assert found["actions"] == [ACTION]
    assert any(item["text"].startswith("::{") for item in found["evidence"])
    assert any(item["text"] == "{{ 7 * 7 }}" for item in found["evidence"])


def test_twenty_thousand_lines_take_seconds_and_fit(tmp_path: Path) -> None:
    chance = random.Random(7)
    words = [chance.choice("abcdefghijklmnopqrstuvwxyz") * chance.randint(3, 9) for _ in range(400)]
    logs = [
        f"2026-11-24T05:{n // 60 % 60:02d}:{n % 60:02d}Z ERROR "
        f"{' '.join(chance.choices(words, k=25))} \u00e9\u4e16 10.1.{n % 250}.9 {n}"
        for n in range(20_000)
    ]
    metrics = {
        "metrics": {f"m{n}": "\u4e16" * 400 for n in range(200)},
        "context": {f"c{n}": "x" * 400 for n in range(200)},
    }
    with answering(supabase({**INCIDENT, "logs": logs}, metrics=metrics)) as server:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        done = run(server, tmp_path)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        found = outputs(done)
        [kept] = server.calls("record_analysis")
    # Of the processor, not of the clock: others use the machine too.
    assert after.ru_utime - before.ru_utime < 12
    assert len(done.stdout.encode()) <= 48 * 1024 + 64
    assert found["log_lines"] == 20_000
    assert found["redactions"] == {"ipv4": 20_000, "email": 1, "password": 2}
    assert json.loads(kept.json["response"])["evidence"] == found["evidence"]
    assert all(len(item["text"]) <= 300 for item in found["evidence"])
    last = found["evidence"][-1]["n"]
    assert all(number <= last for one in found["clusters"] for number in one["evidence"])


def test_a_payload_nested_without_end_is_cut(tmp_path: Path) -> None:
    deep: Any = "end"
    for _ in range(200):
        deep = {"x": [deep]}
    with answering(supabase(INCIDENT, metrics={"metrics": {"deep": deep}, "context": {}})) as server:
        found = outputs(run(server, tmp_path))
    assert any("nested too deeply" in item["text"] for item in found["evidence"])
