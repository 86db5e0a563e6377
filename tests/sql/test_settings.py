"""Settings of the installation, and the counter that tells desks there is something new."""

import psycopg
import pytest

from tests.sql.desk import Desk, Person


@pytest.fixture
def other(desk: Desk) -> Desk:
    """Another organization in the same database."""
    return Desk(desk.url, "globex")


def news(desk: Desk, person: Person) -> int:
    answer: int = desk.by(person, "news")
    return answer


def test_a_change_of_a_setting_is_audited_with_both_values(desk: Desk) -> None:
    desk.rows("insert into system_config (key, value) values ('KESTRA_URL', 'http://a') returning key")
    desk.rows("update system_config set value = 'http://b' where key = 'KESTRA_URL' returning key")
    desk.rows("update system_config set value = 'http://b' where key = 'KESTRA_URL' returning key")
    desk.rows("delete from system_config where key = 'KESTRA_URL' returning key")
    entries = desk.rows(
        "select action, actor_name, organization_id, detail from audit_log"
        " where subject_kind = 'system_config' order by id"
    )
    assert [(entry["action"], entry["detail"]) for entry in entries] == [
        ("config.added", {"after": "http://a"}),
        ("config.changed", {"before": "http://a", "after": "http://b"}),
        ("config.removed", {"before": "http://b"}),
    ]
    assert {(entry["actor_name"], entry["organization_id"]) for entry in entries} == {("postgres", None)}


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("KESTRA_PASSWORD", "x"),
        ("GEMINI_API_KEY", "x"),
        ("SUPABASE_SERVICE_ROLE_KEY", "x"),
        ("INCIDENTSCRIBE_WEBHOOK_KEY", "x"),
        ("ACTION_DEMO_TOKEN", "x"),
        ("INCIDENTSCRIBE_DATABASE_URL", "x"),
        ("SLACK_WEBHOOK_URL", "https://hooks.example/T0/B0/x"),
        ("KESTRA_URL", "http://user:pass@kestra"),
        ("MODEL", "sb_secret_abc"),
        ("MODEL", "eyJhbGciOiJIUzI1NiJ9.e30.x"),
    ],
)
def test_what_looks_like_a_secret_is_no_setting(desk: Desk, key: str, value: str) -> None:
    with pytest.raises(psycopg.errors.CheckViolation, match="no_secrets"):
        desk.rows("insert into system_config (key, value) values (%s, %s) returning key", key, value)


@pytest.mark.parametrize("key", ["kestra_url", "1X", "", "A B"])
def test_a_setting_is_named_as_in_the_environment(desk: Desk, key: str) -> None:
    with pytest.raises(psycopg.errors.CheckViolation):
        desk.rows("insert into system_config (key, value) values (%s, 'x') returning key", key)


def test_people_read_settings_and_nobody_changes_them_through_the_api(desk: Desk) -> None:
    desk.rows("insert into system_config (key, value) values ('KESTRA_URL', 'http://a') returning key")
    query = "select value from public.system_config"
    claims = {"sub": desk.vera.id, "role": "authenticated"}
    assert desk.as_role("authenticated", claims, query, []) == [{"value": "http://a"}]
    for role in ("authenticated", "service_role"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            desk.as_role(role, {"sub": desk.ada.id}, "update public.system_config set value = 'x'", [])
    desk.configure("profiles", desk.vera.id, active=False)
    assert desk.as_role("authenticated", claims, query, []) == []


def test_news_grow_by_a_change_and_only_in_its_own_organization(desk: Desk, other: Desk) -> None:
    assert news(desk, desk.vera) == 0
    submitted = desk.submit()
    first = news(desk, desk.vera)
    assert first == 1
    desk.claim(submitted)
    assert news(desk, desk.rita) > first
    assert news(desk, other.vera) == 0
    other.submit()
    assert news(desk, other.vera) == 1


def test_every_step_of_a_run_is_news(desk: Desk) -> None:
    seen = [news(desk, desk.vera)]
    execution, approval = desk.waiting()
    seen.append(news(desk, desk.vera))
    desk.decide(desk.ana, approval)
    seen.append(news(desk, desk.vera))
    begun = desk.begin(execution, "a-nonce-of-16-ch")
    seen.append(news(desk, desk.vera))
    arguments = {
        "kestra_execution_id": execution,
        "action_key": begun["action_key"],
        "nonce": "a-nonce-of-16-ch",
    }
    desk.by_flow("finish_action", **arguments, outcome="acted", detail={"verified": True})
    seen.append(news(desk, desk.vera))
    desk.by_flow("escalate", kestra_execution_id=execution)
    seen.append(news(desk, desk.vera))
    desk.by_flow("save_analysis", kestra_execution_id=execution)
    seen.append(news(desk, desk.vera))
    desk.by_flow("finish_run", kestra_execution_id=execution, state="SUCCESS")
    seen.append(news(desk, desk.vera))
    assert seen == sorted(set(seen))


def test_looking_is_no_news_and_a_change_that_was_rolled_back_is_none(desk: Desk) -> None:
    submitted = desk.submit()
    before = news(desk, desk.vera)
    desk.by(desk.vera, "waiting_approvals")
    with psycopg.connect(desk.url) as connection:
        connection.execute("update incidents set title = 'x' where id = %s", [submitted["incident_id"]])
        connection.rollback()
    assert news(desk, desk.vera) == before


def test_a_transaction_is_one_piece_of_news(desk: Desk) -> None:
    submitted = desk.submit()
    before = news(desk, desk.vera)
    with psycopg.connect(desk.url) as connection:
        for title in ("x", "y", "z"):
            connection.execute(
                "update incidents set title = %s where id = %s", [title, submitted["incident_id"]]
            )
    assert news(desk, desk.vera) == before + 1


def test_what_people_wrote_is_invisible_elsewhere_and_versions_only_grow(desk: Desk, other: Desk) -> None:
    incident = desk.submit()["incident_id"]
    values = (desk.organization, incident, desk.ana.id)
    desk.rows(
        "insert into postmortem_versions"
        " (organization_id, incident_id, author_id, author_name, version, sections)"
        " values (%s, %s, %s, 'Ana', 1, '{}') returning id",
        *values,
    )
    desk.rows(
        "insert into action_items (organization_id, incident_id, owner_id, title)"
        " values (%s, %s, %s, 'Mend it') returning id",
        *values,
    )
    for table in ("postmortem_versions", "action_items"):
        query = f"select organization_id::text from public.{table}"
        seen = [
            len(desk.as_role("authenticated", {"sub": person.id, "role": "authenticated"}, query, []))
            for person in (desk.vera, other.ada)
        ]
        assert seen == [1, 0], table
    with pytest.raises(psycopg.Error, match="only grows"):
        desk.rows("update postmortem_versions set status = 'published' returning id")


def test_before_sign_in_the_desk_learns_how_many_organizations_there_are(desk: Desk, other: Desk) -> None:
    assert desk.by_anon("public_settings") == {"organization_count": 2}
