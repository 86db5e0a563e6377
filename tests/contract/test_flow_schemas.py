"""The flow's responseSchema and the domain's types describe the same documents."""

from typing import Any

import pytest

from dashboard.domain.analysis import Analysis
from dashboard.domain.postmortem import Documentation, Remediation
from dashboard.domain.shape import Shape
from tests.support.flow_file import flow

SHAPES: dict[str, type[Shape]] = {
    "analysis": Analysis,
    "remediation": Remediation,
    "documentation": Documentation,
}


def of_domain(schema: dict[str, Any], definitions: dict[str, Any]) -> Any:
    """What a pydantic schema allows, as Gemini says it, without what Gemini does not know or ask for."""
    if "$ref" in schema:
        return of_domain(definitions[schema["$ref"].rsplit("/", 1)[-1]], definitions)
    if "anyOf" in schema:
        [some] = [one for one in schema["anyOf"] if one != {"type": "null"}]
        return of_domain(some, definitions)
    kind = schema["type"].upper()
    if kind == "OBJECT":
        properties = schema["properties"].items()
        return {"type": kind, "properties": {name: of_domain(one, definitions) for name, one in properties}}
    if kind == "ARRAY":
        return {"type": kind, "items": of_domain(schema["items"], definitions)}
    return {"type": kind, **({"enum": schema["enum"]} if "enum" in schema else {})}


def without_required(schema: Any) -> Any:
    if isinstance(schema, dict):
        return {name: without_required(value) for name, value in schema.items() if name != "required"}
    return [without_required(value) for value in schema] if isinstance(schema, list) else schema


def missing(
    flow_schema: dict[str, Any], shape: dict[str, Any], definitions: dict[str, Any], path: str = ""
) -> list[str]:
    """Fields the domain needs and the flow does not demand."""
    if "$ref" in shape:
        return missing(flow_schema, definitions[shape["$ref"].rsplit("/", 1)[-1]], definitions, path)
    if flow_schema["type"] == "ARRAY":
        return missing(flow_schema["items"], shape["items"], definitions, f"{path}[]")
    if flow_schema["type"] != "OBJECT":
        return []
    undemanded = [
        f"{path}.{name}" for name in shape.get("required", []) if name not in flow_schema["required"]
    ]
    for name, inner in flow_schema["properties"].items():
        if "anyOf" not in shape["properties"][name]:
            undemanded += missing(inner, shape["properties"][name], definitions, f"{path}.{name}")
    return undemanded


@pytest.mark.parametrize("name", SHAPES)
def test_flow_and_domain_have_the_same_fields_types_and_words(name: str) -> None:
    shape = SHAPES[name].model_json_schema()
    asked = flow()["variables"][f"{name}_schema"]
    assert without_required(asked) == of_domain(shape, shape.get("$defs", {}))


@pytest.mark.parametrize("name", SHAPES)
def test_the_flow_demands_what_the_domain_needs(name: str) -> None:
    shape = SHAPES[name].model_json_schema()
    assert missing(flow()["variables"][f"{name}_schema"], shape, shape.get("$defs", {})) == []
