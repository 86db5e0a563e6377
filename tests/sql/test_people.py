"""Who administers: the first admin by the service key, everything after that by admins, all of it audited."""

import copy
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.sql.desk import CATALOGUE_PARAMETERS, REQUEST, VERIFY, Desk, Refused

SERVICE = {"name": "search-api", "owner": "search", "tier": 2, "minutes_to_decide": 30}
ACTION = {
    "service": "payment-api",
    "key": "drain",
    "title": "Drain",
    "description": "Takes instances out of rotation.",
    "parameters": CATALOGUE_PARAMETERS,
    "request": REQUEST | {"url": "http://127.0.0.1:1/drain"},
    "verify": VERIFY,
    "risk": "low",
    "expected_effect": "Fewer errors.",
    "rollback": "Undrain.",
}


def account(desk: Desk, email: str | None = "new@example.com") -> str:
    """An account at Supabase Auth that is in no organization."""
    user = str(uuid.uuid4())
    desk.rows("insert into auth.users (id, email) values (%s, %s) returning id", user, email)
    return user


def audited(desk: Desk, action: str, subject: str) -> list[dict[str, Any]]:
    return desk.rows(
        "select * from audit_log where action = %s and subject_id = %s order by id", action, subject
    )


def refusal(act: Callable[[], object]) -> Refused:
    with pytest.raises(Refused) as refused:
        act()
    return refused.value


def fields(refused: Refused) -> dict[str, str]:
    assert (refused.sqlstate, refused.code) == ("PT422", "invalid")
    return {entry["field"]: entry["problem"] for entry in refused.detail["fields"]}


class TestSettingUp:
    def test_an_organization_is_made_once_per_slug_and_audited(self, desk: Desk) -> None:
        first = desk.by_flow("create_organization", name=" Globex ", slug="globex")
        assert (first["created"], first["name"], first["is_default"]) == (True, "Globex", False)
        again = desk.by_flow("create_organization", name="Other", slug="globex", is_default=True)
        assert again == first | {"created": False}
        (entry,) = audited(desk, "organization.created", first["organization_id"])
        assert (entry["actor_id"], entry["actor_name"]) == (None, "set-up")

    def test_only_the_first_that_wants_it_becomes_the_default(self, desk: Desk) -> None:
        with ThreadPoolExecutor(4) as pool:
            made = pool.map(
                lambda n: desk.by_flow("create_organization", name="X", slug=f"x-{n}", is_default=True),
                range(4),
            )
        assert sorted(answer["is_default"] for answer in made) == [False, False, False, True]

    @pytest.mark.parametrize(
        ("name", "slug"), [("", "x"), (None, "x"), ("X" * 201, "x"), ("X", "A b"), ("X", None), ("X", "-x")]
    )
    def test_an_organization_needs_a_name_and_a_slug(self, desk: Desk, name: str, slug: str) -> None:
        refused = refusal(lambda: desk.by_flow("create_organization", name=name, slug=slug))
        assert (refused.sqlstate, refused.code) == ("PT422", "invalid")

    def test_the_first_admin_is_added_once_and_only_once(self, desk: Desk) -> None:
        globex = desk.by_flow("create_organization", name="Globex", slug="globex")["organization_id"]
        hank, homer = account(desk, "hank@example.com"), account(desk, "homer@example.com")

        def add(user: str) -> Any:
            return desk.by_flow("add_first_admin", organization_id=globex, user_id=user, display_name="Hank")

        assert add(hank) == {"user_id": hank, "created": True, "role": "admin", "active": True}
        assert add(hank)["created"] is False
        assert refusal(lambda: add(homer)).code == "has_admin"
        person = desk.row("select * from profiles where user_id = %s", hank)
        assert (person["email"], person["role"]) == ("hank@example.com", "admin")
        assert len(audited(desk, "person.added", hank)) == 1

    def test_of_two_first_admins_at_the_same_time_one_wins(self, desk: Desk) -> None:
        globex = desk.by_flow("create_organization", name="Globex", slug="globex")["organization_id"]

        def add(user: str) -> str | None:
            try:
                desk.by_flow("add_first_admin", organization_id=globex, user_id=user, display_name="X")
            except Refused as refused:
                return str(refused.code)
            return None

        with ThreadPoolExecutor(6) as pool:
            outcomes = list(pool.map(add, [account(desk, f"a{n}@example.com") for n in range(6)]))
        assert sorted(map(str, outcomes)) == ["None"] + ["has_admin"] * 5

    def test_a_first_admin_is_nobody_who_is_elsewhere_already(self, desk: Desk) -> None:
        globex = desk.by_flow("create_organization", name="Globex", slug="globex")["organization_id"]
        arguments = {"organization_id": globex, "user_id": desk.rita.id, "display_name": "Rita"}
        assert refusal(lambda: desk.by_flow("add_first_admin", **arguments)).code == "other_organization"
        unknown = arguments | {"organization_id": str(uuid.uuid4())}
        assert refusal(lambda: desk.by_flow("add_first_admin", **unknown)).sqlstate == "PT404"


class TestPeople:
    def test_an_admin_adds_people_to_their_own_organization_only(self, desk: Desk) -> None:
        user = account(desk, "new@example.com")
        arguments = {"user_id": user, "role": "responder", "display_name": " New "}
        added = desk.by(desk.ada, "add_person", **arguments)
        assert added == {"user_id": user, "created": True, "role": "responder", "active": True}
        person = desk.row("select * from profiles where user_id = %s", user)
        assert (str(person["organization_id"]), person["display_name"], person["email"]) == (
            desk.organization,
            "New",
            "new@example.com",
        )
        # Adding again never changes what somebody may do.
        again = desk.by(desk.ada, "add_person", **arguments | {"role": "admin"})
        assert again == added | {"created": False}
        (entry,) = audited(desk, "person.added", user)
        assert (str(entry["actor_id"]), entry["detail"]["role"]) == (desk.ada.id, "responder")
        other = Desk(desk.url, "globex")
        assert refusal(lambda: desk.by(other.ada, "add_person", **arguments)).code == "other_organization"

    @pytest.mark.parametrize("who", ["vera", "rita", "ana"])
    @pytest.mark.parametrize(
        ("function", "arguments"),
        [
            ("add_person", {"user_id": str(uuid.uuid4()), "role": "viewer", "display_name": "X"}),
            ("change_person", {"user_id": str(uuid.uuid4()), "role": "viewer"}),
            ("change_organization", {"payload": {}}),
            ("apply_service", {"payload": SERVICE}),
            ("apply_action", {"payload": ACTION}),
        ],
    )
    def test_nobody_else_administers(
        self, desk: Desk, who: str, function: str, arguments: dict[str, Any]
    ) -> None:
        refused = refusal(lambda: desk.by(getattr(desk, who), function, **arguments))
        assert (refused.sqlstate, refused.code) == ("PT403", "not_allowed")

    @pytest.mark.parametrize(
        ("change", "sqlstate"),
        [
            ({"role": "root"}, "PT422"),
            ({"role": None}, "PT422"),
            ({"display_name": "  "}, "PT422"),
            ({"display_name": "X" * 201}, "PT422"),
            ({"user_id": str(uuid.uuid4())}, "PT404"),
        ],
    )
    def test_a_person_that_cannot_be_is_refused(
        self, desk: Desk, change: dict[str, Any], sqlstate: str
    ) -> None:
        arguments = {"user_id": account(desk), "role": "viewer", "display_name": "New"} | change
        assert refusal(lambda: desk.by(desk.ada, "add_person", **arguments)).sqlstate == sqlstate

    def test_an_account_without_an_address_is_refused(self, desk: Desk) -> None:
        arguments = {"user_id": account(desk, None), "role": "viewer", "display_name": "New"}
        assert "e-mail" in str(refusal(lambda: desk.by(desk.ada, "add_person", **arguments)))

    @pytest.mark.parametrize("change", [{"role": "viewer"}, {"active": False}, {"role": "admin"}])
    def test_nobody_changes_themselves(self, desk: Desk, change: dict[str, Any]) -> None:
        refused = refusal(lambda: desk.by(desk.ada, "change_person", user_id=desk.ada.id, **change))
        assert refused.code == "not_allowed"
        assert "another admin" in str(refused)

    def test_a_role_is_changed_once_and_audited_with_both(self, desk: Desk) -> None:
        changed = desk.by(desk.ada, "change_person", user_id=desk.rita.id, role="approver")
        assert changed == {"user_id": desk.rita.id, "role": "approver", "active": True, "changed": True}
        again = desk.by(desk.ada, "change_person", user_id=desk.rita.id, role="approver")
        assert again == changed | {"changed": False}
        (entry,) = audited(desk, "person.changed", desk.rita.id)
        assert entry["detail"]["before"]["role"] == "responder"
        assert entry["detail"]["after"]["role"] == "approver"
        assert (
            refusal(lambda: desk.by(desk.ada, "change_person", user_id=desk.rita.id, role="root")).sqlstate
            == "PT422"
        )

    def test_a_person_of_another_organization_is_not_there(self, desk: Desk) -> None:
        other = Desk(desk.url, "globex")
        refused = refusal(lambda: desk.by(desk.ada, "change_person", user_id=other.rita.id, active=False))
        assert (refused.sqlstate, refused.code) == ("PT404", "not_found")
        assert desk.row("select active from profiles where user_id = %s", other.rita.id)["active"]

    def test_switched_off_every_session_ends_and_switched_on_none_comes_back(self, desk: Desk) -> None:
        hashes = ["a" * 64, "b" * 64]
        for cookie in hashes:
            desk.by(desk.rita, "open_desk_session", cookie_hash=cookie, sealed="tokens")
        desk.by(desk.ada, "open_desk_session", cookie_hash="c" * 64, sealed="tokens")
        assert desk.by(desk.ada, "change_person", user_id=desk.rita.id, active=False)["active"] is False
        assert refusal(lambda: desk.by(desk.rita, "waiting_approvals")).code == "inactive"
        desk.by(desk.ada, "change_person", user_id=desk.rita.id, active=True)
        assert [desk.by_anon("desk_session", cookie_hash=cookie) for cookie in hashes] == [None, None]
        assert desk.rows("select from desk_sessions where user_id = %s and sealed <> '-'", desk.rita.id) == []
        assert desk.by_anon("desk_session", cookie_hash="c" * 64) is not None

    def test_two_admins_who_switch_each_other_off_leave_one(self, desk: Desk) -> None:
        adam = desk.person("Adam", "admin")

        def switch_off(pair: tuple[Any, Any]) -> str | None:
            try:
                desk.by(pair[0], "change_person", user_id=pair[1].id, active=False)
            except Refused as refused:
                return str(refused.code)
            return None

        for _ in range(5):
            desk.rows("update profiles set active = true where role = 'admin' returning user_id")
            with ThreadPoolExecutor(2) as pool:
                outcomes = list(pool.map(switch_off, [(desk.ada, adam), (adam, desk.ada)]))
            assert sorted(map(str, outcomes)) == ["None", "inactive"]
            assert len(desk.rows("select from profiles where role = 'admin' and active")) == 1


class TestOrganization:
    def test_settings_change_one_by_one_and_are_audited(self, desk: Desk) -> None:
        other = Desk(desk.url, "globex")
        payload = {"auto_remediate_direct_webhooks": True}
        assert desk.by(desk.ada, "change_organization", payload=payload)["changed"] is True
        assert desk.by(desk.ada, "change_organization", payload=payload)["changed"] is False
        query = (
            "select accepts_direct_webhook, auto_remediate_direct_webhooks from organizations where id = %s"
        )
        assert list(desk.row(query, desk.organization).values()) == [True, True]
        assert list(desk.row(query, other.organization).values()) == [True, False]
        (entry,) = audited(desk, "organization.changed", desk.organization)
        assert entry["detail"]["before"]["auto_remediate_direct_webhooks"] is False

    @pytest.mark.parametrize("payload", [{"slug": "x"}, {"self_approval_allowed": "yes"}, [], None, 1])
    def test_anything_else_is_refused(self, desk: Desk, payload: Any) -> None:
        refused = refusal(lambda: desk.by(desk.ada, "change_organization", payload=payload))
        assert (refused.sqlstate, refused.code) == ("PT422", "invalid")


class TestServices:
    def test_a_service_is_applied_as_described_and_only_a_change_raises_its_version(self, desk: Desk) -> None:
        first = desk.by(desk.ada, "apply_service", payload=SERVICE)
        assert (first["created"], first["changed"], first["version"]) == (True, False, 1)
        again = desk.by(desk.ada, "apply_service", payload=SERVICE)
        assert again == first | {"created": False}
        changed = desk.by(
            desk.ada,
            "apply_service",
            payload=SERVICE | {"auto_remediate": True, "approver_ids": [desk.ana.id]},
        )
        assert changed == first | {"created": False, "changed": True, "version": 2}
        # Described without them, they are what they are by default.
        assert desk.by(desk.ada, "apply_service", payload=SERVICE)["version"] == 3
        row = desk.row("select * from services where id = %s", first["service_id"])
        assert (row["auto_remediate"], row["approver_ids"], row["owner"]) == (False, [], "search")
        (added,) = audited(desk, "service.added", first["service_id"])
        assert added["detail"]["version"] == 1
        on, off = audited(desk, "service.changed", first["service_id"])
        assert (on["detail"]["version"], off["detail"]["version"]) == (2, 3)
        assert on["detail"]["before"]["auto_remediate"] is False
        assert on["detail"]["after"]["auto_remediate"] is True
        assert str(on["actor_id"]) == desk.ada.id

    def test_the_same_name_in_another_organization_is_another_service(self, desk: Desk) -> None:
        other = Desk(desk.url, "globex")
        mine = desk.by(desk.ada, "apply_service", payload=SERVICE)
        theirs = desk.by(other.ada, "apply_service", payload=SERVICE)
        assert theirs["created"]
        assert mine["service_id"] != theirs["service_id"]

    def test_every_field_that_does_not_fit_is_named(self, desk: Desk) -> None:
        payload = {
            "name": "x",
            "tier": 9,
            "auto_remidiate": True,
            "auto_remediate": "yes",
            "approval_role": "viewer",
            "minutes_to_decide": 1.5,
            "runbook_url": "javascript:alert(1)",
            "description": None,
        }
        refused = refusal(lambda: desk.by(desk.ada, "apply_service", payload=payload))
        assert fields(refused) == {
            "owner": "is missing",
            "tier": "must be between 1 and 4",
            "auto_remidiate": "is not known here",
            "auto_remediate": "must be true or false",
            "approval_role": "must be responder or approver or admin",
            "minutes_to_decide": "must be a whole number",
            "runbook_url": "must be an address that begins with http:// or https://",
        }
        assert str(refused).startswith("The service x cannot be used: approval_role must be ")

    @pytest.mark.parametrize("payload", [None, [], "x", 1, {}, {"name": " ", "owner": "x"}, {"name": {}}])
    def test_what_is_no_service_is_refused(self, desk: Desk, payload: Any) -> None:
        refused = refusal(lambda: desk.by(desk.ada, "apply_service", payload=payload))
        assert (refused.sqlstate, refused.code) == ("PT422", "invalid")

    def test_approvers_are_people_of_the_organization_and_enough_of_them(self, desk: Desk) -> None:
        other = Desk(desk.url, "globex")

        def apply(*approvers: Any, **more: Any) -> Any:
            return desk.by(
                desk.ada, "apply_service", payload=SERVICE | {"approver_ids": list(approvers)} | more
            )

        for stranger in (other.ana.id, "ana", 7, None):
            assert "not in this organization" in str(refusal(lambda who=stranger: apply(desk.ana.id, who)))
        refused = refusal(lambda: apply(desk.ana.id, desk.ana.id, approvals_required=2))
        assert "fewer people" in str(refused)
        assert apply(desk.ana.id, desk.ben.id, approvals_required=2)["created"]


def changed(path: str, value: Any) -> dict[str, Any]:
    """The action with one value replaced or added, by its path with dots; None takes it away."""
    action: dict[str, Any] = copy.deepcopy(ACTION)
    *above, last = path.split(".")
    part = action
    for name in above:
        part = part[name]
    if value is None:
        del part[last]
    else:
        part[last] = value
    return action


class TestCatalogue:
    def test_an_action_is_applied_as_described_and_only_a_change_raises_its_version(self, desk: Desk) -> None:
        first = desk.by(desk.ada, "apply_action", payload=ACTION)
        assert (first["created"], first["changed"], first["version"]) == (True, False, 1)
        assert desk.by(desk.ada, "apply_action", payload=ACTION) == first | {"created": False}
        second = desk.by(desk.ada, "apply_action", payload=ACTION | {"risk": "medium"})
        assert second == first | {"created": False, "changed": True, "version": 2}
        (added,) = audited(desk, "action.added", first["action_id"])
        (entry,) = audited(desk, "action.changed", first["action_id"])
        assert (added["detail"]["version"], entry["detail"]["version"]) == (1, 2)
        assert (entry["detail"]["before"]["risk"], entry["detail"]["after"]["risk"]) == ("low", "medium")

    def test_two_at_the_same_time_are_one_addition_and_one_change(self, desk: Desk) -> None:
        with ThreadPoolExecutor(2) as pool:
            answers = list(
                pool.map(
                    lambda title: desk.by(desk.ada, "apply_action", payload=ACTION | {"title": title}),
                    ["one", "two"],
                )
            )
        assert sorted((a["created"], a["version"]) for a in answers) == [(False, 2), (True, 1)]

    @pytest.mark.parametrize(
        ("path", "value", "field", "problem"),
        [
            ("service", "billing", "service", "no service here"),
            ("key", "Drain It", "key", "small letters"),
            ("risk", "none", "risk", "low or medium or high"),
            ("rollback", None, "rollback", "is missing"),
            ("request.headers", None, "request.headers", "Idempotency-Key"),
            ("request.headers", {"Idempotency-Key": "1"}, "request.headers", "Idempotency-Key"),
            ("request.method", "GET", "request.method", "POST or PUT"),
            ("request.url", "ftp://x/", "request.url", "fixed host"),
            ("request.url", "http://user:pass@x/", "request.url", "fixed host"),
            ("request.url", "http://${instances}.example/", "request.url", "fixed host"),
            ("request.url", "http://x/${instnces}", "request", "no parameter"),
            ("request.body", {"token": "${ACTION_DEMO_TOKEN}"}, "request", "no parameter"),
            ("request.body", {"a": ["to ${instances}"]}, "request", "inside a longer text"),
            ("request.headers.X-Key", "${GEMINI_API_KEY}", "request.headers", "ACTION_"),
            ("request.headers.X-Number", 7, "request.headers", "text only"),
            ("request.retries", 7, "request.retries", "not known"),
            ("verify", {}, "verify.expect", "is missing"),
            ("verify.method", "POST", "verify.method", "must be GET"),
            ("verify.within_seconds", 61, "verify.within_seconds", "between 1 and 60"),
            ("verify.within_seconds", "abc", "verify.within_seconds", "whole number"),
            ("verify.expect", {"json": {}}, "verify.expect.status", "is missing"),
            ("verify.expect.json", {"n": "${other}"}, "verify", "no parameter"),
            ("parameters.type", "array", "parameters.type", "must be object"),
            ("parameters.required", ["other"], "parameters.required", "not described"),
            ("parameters.properties.Bad-Name", {"type": "string"}, "parameters.Bad-Name", "named by"),
            ("parameters.properties.x", {"type": "date"}, "parameters.x.type", "integer or number"),
            ("parameters.properties.x", {"type": "string", "format": "uri"}, "parameters.x.format", "known"),
            (
                "parameters.properties.x",
                {"type": "string", "pattern": "("},
                "parameters.x.pattern",
                "regular",
            ),
            ("parameters.properties.instances.default", 9, "parameters.instances.default", "no value"),
            ("parameters.properties.instances.default", "2", "parameters.instances.default", "no value"),
            ("parameters.properties.instances.maximum", "6", "parameters.instances.maximum", "a number"),
        ],
    )
    def test_what_could_not_run_as_written_is_refused_by_name(
        self, desk: Desk, path: str, value: Any, field: str, problem: str
    ) -> None:
        refused = refusal(lambda: desk.by(desk.ada, "apply_action", payload=changed(path, value)))
        assert problem in fields(refused)[field]
        assert desk.rows("select from actions where key <> 'restart_service'") == []

    @pytest.mark.parametrize("payload", [None, [], "x", {}, {"key": 7}, {"request": []}])
    def test_what_is_no_action_is_refused(self, desk: Desk, payload: Any) -> None:
        refused = refusal(lambda: desk.by(desk.ada, "apply_action", payload=payload))
        assert (refused.sqlstate, refused.code) == ("PT422", "invalid")

    def test_a_service_of_another_organization_is_not_there(self, desk: Desk) -> None:
        other = Desk(desk.url, "globex")
        desk.by(desk.ada, "apply_service", payload=SERVICE)
        refused = refusal(
            lambda: desk.by(other.ada, "apply_action", payload=ACTION | {"service": "search-api"})
        )
        assert "no service here" in fields(refused)["service"]
