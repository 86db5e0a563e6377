"""At the sandbox's Kestra: executions created, searched, replayed and deleted; lists of flows and keys."""

from typing import Any

import httpx
import pytest

from tests.support import kestra_flows
from tests.support.kestra import RunningEngine

pytestmark = pytest.mark.engine

API = "/api/v1/main"
EXECUTIONS = f"{API}/executions"
YAML = {"Content-Type": "application/x-yaml"}
TEXT = {"Content-Type": "text/plain"}


@pytest.fixture(scope="module", autouse=True)
def _flows(kestra: RunningEngine) -> None:
    kestra.save_flow(kestra_flows.APPROVAL)
    for name in ("byhand", "searched"):
        kestra.save_flow(kestra_flows.plain(name))


def create(kestra: RunningEngine, flow: str, query: str = "", **inputs: str) -> httpx.Response:
    files = {name: (None, value) for name, value in inputs.items()}
    return kestra.http.post(f"{EXECUTIONS}/tests.kestra/{flow}{query}", files=files or None)


class TestCreate:
    def test_inputs_reach_the_flow_with_their_types(self, kestra: RunningEngine) -> None:
        name = 'A "quoted"\nname {{ 7*6 }}'
        answer = create(kestra, "approval", "?labels=case:42&labels=who:me", payload='{"name": "Ada"}')
        assert answer.status_code == 200, answer.text
        created = answer.json()
        assert created["inputs"] == {"payload": {"name": "Ada"}}
        assert created["url"] == f"{kestra.url}/ui/main/executions/tests.kestra/approval/{created['id']}"
        labels = {label["key"]: label["value"] for label in created["labels"]}
        assert labels | {"case": "42", "who": "me", "system.from": "api"} == labels
        assert kestra.wait_for(created["id"], "PAUSED")["inputs"] == created["inputs"]
        resumed = kestra.http.post(
            f"{EXECUTIONS}/{created['id']}/actions/resume",
            files={"decision": (None, "approve"), "reason": (None, name)},
        )
        assert resumed.status_code == 200
        assert kestra.wait_for(created["id"], "SUCCESS")["outputs"] == {"said": f"approve: {name}"}

    def test_a_flow_without_inputs_needs_no_body(self, kestra: RunningEngine) -> None:
        kestra.wait_for(create(kestra, "byhand").json()["id"], "SUCCESS")

    @pytest.mark.parametrize("inputs", [{}, {"other": "x"}, {"payload": "no json"}])
    def test_missing_or_wrong_inputs_start_nothing(
        self, kestra: RunningEngine, inputs: dict[str, str]
    ) -> None:
        before = found(kestra, **{"filters[flowId][EQUALS]": "approval"})["total"]
        answer = create(kestra, "approval", **inputs)
        assert answer.status_code == 422
        assert answer.json()["message"].startswith("Invalid entity: ")
        assert found(kestra, **{"filters[flowId][EQUALS]": "approval"})["total"] == before

    def test_json_is_refused_by_its_type(self, kestra: RunningEngine) -> None:
        assert kestra.http.post(f"{EXECUTIONS}/tests.kestra/byhand", json={}).status_code == 415

    def test_unknown_and_disabled_flows_are_404_and_409(self, kestra: RunningEngine) -> None:
        kestra.save_flow(kestra_flows.plain("off", "disabled: true\n"))
        assert create(kestra, "absent").status_code == 404
        assert create(kestra, "off").status_code == 409

    @pytest.mark.parametrize(
        ("query", "status"),
        [
            ("?wait=true", 501),
            ("?kind=TEST", 501),
            ("?labels=nocolon", 422),
            ("?labels=system.from:ui", 422),
            ("?revision=99", 404),
            ("?revision=x", 422),
        ],
    )
    def test_what_is_not_served_or_not_allowed_is_said(
        self, kestra: RunningEngine, query: str, status: int
    ) -> None:
        answer = create(kestra, "byhand", query)
        assert answer.status_code == status
        assert answer.json()["message"]


def found(kestra: RunningEngine, **query: str) -> dict[str, Any]:
    answer = kestra.http.get(f"{EXECUTIONS}/search", params=query)
    assert answer.status_code == 200, answer.text
    page: dict[str, Any] = answer.json()
    return page


@pytest.fixture(scope="module")
def three(kestra: RunningEngine) -> list[str]:
    """Three finished executions of one flow, oldest first; the last one is labelled."""
    ids = [create(kestra, "searched").json()["id"] for _ in range(2)]
    ids.append(create(kestra, "searched", "?labels=case:7").json()["id"])
    for each in ids:
        kestra.wait_for(each, "SUCCESS")
    return ids


class TestSearch:
    @pytest.mark.parametrize(("order", "step"), [("asc", 1), ("desc", -1)])
    def test_pages_follow_one_another_in_order(
        self, kestra: RunningEngine, three: list[str], order: str, step: int
    ) -> None:
        seen = []
        for number in (1, 2):
            page = found(
                kestra,
                **{"filters[flowId][EQUALS]": "searched"},
                page=str(number),
                size="2",
                sort=f"state.startDate:{order}",
            )
            assert page["total"] == 3
            seen += [each["id"] for each in page["results"]]
        assert seen == three[::step]

    @pytest.mark.parametrize(
        ("filters", "expected"),
        [
            ({"filters[labels][EQUALS][case]": "7"}, slice(2, 3)),
            ({"filters[state][IN]": "SUCCESS,FAILED"}, slice(0, 3)),
            ({"filters[state][EQUALS]": "FAILED"}, slice(0, 0)),
            ({"filters[state][NOT_IN]": "SUCCESS"}, slice(0, 0)),
            ({"filters[namespace][PREFIX]": "tests"}, slice(0, 3)),
            ({"filters[namespace][EQUALS]": "tests"}, slice(0, 0)),
            ({"filters[timeRange][EQUALS]": "PT10M"}, slice(0, 3)),
            ({"filters[startDate][GREATER_THAN_OR_EQUAL_TO]": "2000-01-01T00:00:00Z"}, slice(0, 3)),
            ({"filters[startDate][LESS_THAN]": "2000-01-01T00:00:00Z"}, slice(0, 0)),
            ({"flowId": "absent", "state": "FAILED"}, slice(0, 3)),  # as 1.x asked: ignored by 2.0
        ],
    )
    def test_filters_narrow_it(
        self, kestra: RunningEngine, three: list[str], filters: dict[str, str], expected: slice
    ) -> None:
        page = found(
            kestra, **({"filters[flowId][EQUALS]": "searched", "sort": "state.startDate:asc"} | filters)
        )
        assert [each["id"] for each in page["results"]] == three[expected]
        assert not any("taskRunList" in each for each in page["results"])

    @pytest.mark.parametrize(
        ("query", "status"),
        [
            ({"filters[nope][EQUALS]": "x"}, 422),
            ({"filters[state][NOPE]": "x"}, 422),
            ({"filters[flowId][GREATER_THAN]": "x"}, 400),
            ({"filters[timeRange][EQUALS]": "a while"}, 422),
            ({"filters[or][0][state][EQUALS]": "FAILED"}, 501),
            ({"sort": "startDate:desc"}, 422),
            ({"sort": "state.startDate"}, 422),
            ({"page": "0"}, 422),
            ({"page": "x"}, 422),
            ({"size": "0"}, 422),
            ({"size": "100000"}, 422),
        ],
    )
    def test_what_makes_no_sense_is_refused(
        self, kestra: RunningEngine, query: dict[str, str], status: int
    ) -> None:
        answer = kestra.http.get(f"{EXECUTIONS}/search", params=query)
        assert answer.status_code == status, answer.text

    def test_values_are_data(self, kestra: RunningEngine, three: list[str]) -> None:
        assert found(kestra, **{"filters[flowId][EQUALS]": "x' OR '1'='1"})["total"] == 0
        assert found(kestra, **{"filters[labels][EQUALS][a' OR 1=1 --]": "x"})["total"] == 0


class TestReplay:
    def test_it_is_another_execution_of_the_same_inputs(self, kestra: RunningEngine) -> None:
        first = create(kestra, "byhand").json()["id"]
        kestra.wait_for(first, "SUCCESS")
        answer = kestra.http.post(f"{EXECUTIONS}/{first}/actions/replay")
        assert answer.status_code == 200
        assert answer.json()["id"] != first
        assert answer.json()["originalId"] == first
        kestra.wait_for(answer.json()["id"], "SUCCESS")

    def test_only_what_has_ended_is_replayed(self, kestra: RunningEngine) -> None:
        waiting = create(kestra, "approval", payload='{"name": "Ada"}').json()["id"]
        kestra.wait_for(waiting, "PAUSED")
        assert kestra.http.post(f"{EXECUTIONS}/{waiting}/actions/replay").status_code == 409
        assert kestra.http.post(f"{EXECUTIONS}/absent/actions/replay").status_code == 404
        assert kestra.http.post(f"{EXECUTIONS}/{waiting}/actions/replay?breakpoints=x").status_code == 501

    def test_from_a_task_run_on_what_ran_before_is_as_it_was(self, kestra: RunningEngine) -> None:
        first = create(kestra, "approval", payload='{"name": "Ada"}').json()["id"]
        kestra.wait_for(first, "PAUSED")
        resume(kestra, first, "approve")
        [*before, last] = kestra.wait_for(first, "SUCCESS")["taskRunList"]
        path = f"{EXECUTIONS}/{first}/actions/replay"
        assert kestra.http.post(path, params={"taskRunId": "absent"}).status_code == 409
        second = kestra.http.post(path, params={"taskRunId": last["id"]}).json()["id"]
        replayed = kestra.wait_for(second, "SUCCESS")
        assert [run["state"] for run in replayed["taskRunList"][:-1]] == [run["state"] for run in before]
        assert replayed["outputs"] == {"said": "approve: no reason"}


def resume(kestra: RunningEngine, execution: str, decision: str) -> None:
    path = f"{EXECUTIONS}/{execution}/actions/resume"
    kestra.http.post(path, files={"decision": (None, decision)}).raise_for_status()


class TestDelete:
    def test_one_that_waits_is_gone_with_its_log(self, kestra: RunningEngine) -> None:
        waiting = create(kestra, "approval", payload='{"name": "Ada"}').json()["id"]
        kestra.wait_for(waiting, "PAUSED")
        assert kestra.http.delete(f"{EXECUTIONS}/{waiting}").status_code == 204
        assert kestra.http.get(f"{EXECUTIONS}/{waiting}").status_code == 404
        assert kestra.http.get(f"{API}/logs/{waiting}").json() == []
        assert kestra.http.delete(f"{EXECUTIONS}/{waiting}").status_code == 404


class TestLists:
    def test_flows_are_listed_by_namespace_and_searched(self, kestra: RunningEngine) -> None:
        names = {flow["id"] for flow in kestra.http.get(f"{API}/flows/tests.kestra").json()}
        assert {"approval", "byhand", "searched"} <= names
        assert kestra.http.get(f"{API}/flows/absent").json() == []
        query = {"filters[namespace][EQUALS]": "tests.kestra", "size": "1", "sort": "id:asc"}
        page = kestra.http.get(f"{API}/flows/search", params=query).json()
        assert page["total"] == len(names)
        assert [flow["id"] for flow in page["results"]] == [min(names)]
        assert "source" not in page["results"][0]

    def test_a_deleted_flow_is_gone_and_counts_on_when_it_comes_back(self, kestra: RunningEngine) -> None:
        kestra.save_flow(kestra_flows.plain("gone"))
        path = f"{API}/flows/tests.kestra/gone"
        assert kestra.http.delete(path).status_code == 204
        assert kestra.http.get(path).status_code == 404
        assert kestra.http.delete(path).status_code == 404
        again = kestra.http.post(f"{API}/flows", content=kestra_flows.plain("gone"), headers=YAML)
        assert again.json()["revision"] == 3

    def test_keys_are_listed_without_their_values(self, kestra: RunningEngine) -> None:
        for key in ("LISTED_A", "LISTED_B"):
            kestra.http.put(f"{API}/namespaces/tests.lists/kv/{key}", content='"s3cret"', headers=TEXT)
        answer = kestra.http.get(f"{API}/kv", params={"filters[namespace][EQUALS]": "tests.lists"})
        assert {entry["key"] for entry in answer.json()["results"]} == {"LISTED_A", "LISTED_B"}
        assert "s3cret" not in answer.text
        kestra.http.delete(f"{API}/namespaces/tests.lists/kv/LISTED_A")
        answer = kestra.http.get(f"{API}/kv", params={"filters[namespace][EQUALS]": "tests.lists"})
        assert [entry["key"] for entry in answer.json()["results"]] == ["LISTED_B"]
