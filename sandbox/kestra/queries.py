"""Filters, order and page of a search, read from a request as Kestra 2.0 reads them.

Filters are `filters[field][OPERATION]=value`, values of IN are separated by commas, labels are
`filters[labels][EQUALS][key]=value`. The parameters of 1.x (`state=`, `flowId=`) are ignored, as 2.0 did.
"""

import re
from typing import Any

from starlette.datastructures import QueryParams

from sandbox.kestra import bridge
from sandbox.kestra.answers import Refusal
from sandbox.kestra.bridge import failures, java

_FILTER = re.compile(r"filters\[([^\]]*)\]\[([^\]]*)\](?:\[(.+)\])?")
_MOST_PER_PAGE = 1000
_FILTER_CLASS = "io.kestra.core.models.QueryFilter"


def filters(query: QueryParams, resource: str) -> Any:
    """A Java list of the filters of a request. Raises Refusal for one that `resource` has not."""
    found = java("java.util.ArrayList")()
    labels: dict[str, Any] = {}
    with failures():
        for name, value in query.multi_items():
            matched = _FILTER.fullmatch(name)
            if matched is None or matched[1] in ("and", "or"):
                if name.startswith("filters["):
                    raise Refusal(501, f"The sandbox's Kestra does not serve the filter {name}.")
                continue
            field = java(f"{_FILTER_CLASS}$Field").fromString(matched[1])
            operation = java(f"{_FILTER_CLASS}$Op").fromString(matched[2])
            if str(field.name()) == "LABELS" and matched[3] is not None:
                named = labels.setdefault(matched[2], (field, operation, java("java.util.HashMap")()))
                named[2].put(matched[3], value)
            elif str(field.name()) == "TIME_RANGE":
                found.add(_since(value))
            else:
                found.add(_filter(field, operation, _value(matched[2], value)))
        for field, operation, pairs in labels.values():
            found.add(_filter(field, operation, pairs))
        java(_FILTER_CLASS).validateQueryFilters(found, java(f"{_FILTER_CLASS}$Resource").valueOf(resource))
    return found


def _filter(field: Any, operation: Any, value: Any) -> Any:
    return java(_FILTER_CLASS).builder().field(field).operation(operation).value(value).build()


def _value(operation: str, value: str) -> Any:
    if operation in ("IN", "NOT_IN"):
        return java("java.util.ArrayList")(re.sub(r"[\[\]]", "", value).split(","))
    return value


def _since(duration: str) -> Any:
    """`filters[timeRange][EQUALS]=PT5M` is a start not longer ago than that."""
    ago = java("java.time.ZonedDateTime").now().minus(java("java.time.Duration").parse(duration))
    return _filter(
        java(f"{_FILTER_CLASS}$Field").START_DATE,
        java(f"{_FILTER_CLASS}$Op").GREATER_THAN_OR_EQUAL_TO,
        str(ago.toOffsetDateTime()),
    )


def page(query: QueryParams, operation: str, columns: Any = None) -> Any:
    """The Java `Pageable` for `page` (from 1), `size` (10) and `sort` (`field:asc|desc`, repeatable).

    `operation` is Kestra's name of the search in its refusals, `columns` a Java function from the name of a
    field to its column, which refuses an unknown one.
    """
    number = _number(query, "page", 1, operation)
    size = _number(query, "size", 10, operation)
    if size > _MOST_PER_PAGE:
        _refuse(operation, "size", f"must be less than or equal to {_MOST_PER_PAGE}")
    orders = java("java.util.ArrayList")()
    with failures():
        for wanted in query.getlist("sort"):
            field, _, direction = wanted.partition(":")
            if direction not in ("asc", "desc"):
                raise Refusal(422, f"Invalid entity: Invalid sort parameter: {wanted}")
            column = field if columns is None else columns.apply(field)
            if column is None:
                raise Refusal(422, f"Illegal argument: Invalid sort field: {field}")
            orders.add(getattr(java("io.micronaut.data.model.Sort$Order"), direction)(str(column)))
        sort = java("io.micronaut.data.model.Sort").of(orders)
        return java("io.micronaut.data.model.Pageable").from_(number, size, sort)


def _number(query: QueryParams, name: str, default: int, operation: str) -> int:
    text = query.get(name, str(default))
    if not re.fullmatch(r"-?\d{1,9}", text):
        raise Refusal(422, f"Invalid entity: {name} is no number: {text}")
    if int(text) < 1:
        _refuse(operation, name, "must be greater than or equal to 1")
    return int(text)


def _refuse(operation: str, name: str, problem: str) -> None:
    path = f"{operation}.{name}"
    raise Refusal(422, f"Invalid entity: {path}: {problem}", [(path, problem)])


def results(found: Any, shown: list[Any]) -> dict[str, Any]:
    """Kestra's page of results; `found` is its list, which knows the total."""
    return {"results": shown, "total": int(found.getTotal())}


def listed(values: Any) -> list[dict[str, Any]]:
    """Java objects as JSON without their tenant."""
    shown: list[dict[str, Any]] = bridge.to_python(values)
    for each in shown:
        each.pop("tenantId", None)
    return shown
