"""Requests to tables and functions, from HTTP to HTTP."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import psycopg
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from sandbox.supabase.gateway import statements
from sandbox.supabase.gateway.answers import Manner, change_response, insert_response, rows_response
from sandbox.supabase.gateway.calling import call, choose_function
from sandbox.supabase.gateway.catalogue import Catalogue
from sandbox.supabase.gateway.database import Answer, Asker, Database
from sandbox.supabase.gateway.errors import ApiError, from_database
from sandbox.supabase.gateway.grammar import parse_query
from sandbox.supabase.gateway.media import check_content_type, check_profile, parse_accept
from sandbox.supabase.gateway.payload import read_arguments, read_rows
from sandbox.supabase.gateway.prefer import parse_prefer
from sandbox.supabase.gateway.tokens import anonymous_claims, verify_token
from sandbox.supabase.gateway.tree import Query
from sandbox.supabase.gateway.whole import Shape, Statement

MAX_BODY_BYTES = 6 * 1024 * 1024
# What a stale catalogue may be the cause of.
_PERHAPS_STALE = frozenset({"PGRST200", "PGRST202", "PGRST204", "PGRST205"})


@dataclass(frozen=True)
class Plan:
    """The statement of a request, and how its answer becomes a response, inside the transaction."""

    statement: Statement
    finish: Callable[[Answer], Response]
    read_only: bool


@dataclass(frozen=True)
class Wish:
    """A request as far as it can be read without the database."""

    name: str
    method: str
    query: Query
    how: Manner
    body: bytes

    @property
    def head(self) -> bool:
        return self.method == "HEAD"

    @property
    def offset(self) -> int:
        return self.query.offsets.get((), 0)


class Rest:
    """The endpoints below /rest/v1. Each request is one transaction as the role of its token."""

    def __init__(self, database: Database, jwt_secret: str) -> None:
        self._database = database
        self._jwt_secret = jwt_secret

    async def table(self, request: Request) -> Response:
        """GET, HEAD, POST, PATCH, DELETE of rows."""
        return await self._serve(request, request.path_params["table"], _plan_for_table)

    async def function(self, request: Request) -> Response:
        """POST, GET, HEAD of a call."""
        return await self._serve(request, request.path_params["function"], _plan_for_function)

    async def _serve(
        self, request: Request, name: str, planner: Callable[[Wish, Catalogue], Plan]
    ) -> Response:
        try:
            asker = Asker(
                self._claims(request),
                request.method,
                request.url.path.removeprefix("/rest/v1"),
                {key: value for key, value in request.headers.items() if key != "cookie"},
            )
            wish = _wish(request, name, await _body(request), call=planner is _plan_for_function)
            return await run_in_threadpool(self._answer, asker, partial(planner, wish))
        except ApiError as error:
            return error.response()

    def _claims(self, request: Request) -> dict[str, Any]:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            return anonymous_claims()
        return verify_token(token.strip(), self._jwt_secret)

    def _answer(self, asker: Asker, planner: Callable[[Catalogue], Plan]) -> Response:
        try:
            with self._database.transaction() as transaction:
                try:
                    plan = planner(transaction.catalogue())
                except ApiError as error:
                    if error.code not in _PERHAPS_STALE:
                        raise
                    plan = planner(transaction.reload())
                response = plan.finish(transaction.run(plan.statement, asker, read_only=plan.read_only))
        except psycopg.Error as error:
            raise from_database(error, asker.role) from error
        response.headers["Content-Profile"] = "public"
        return response


async def _body(request: Request) -> bytes:
    """The body of a write or call; raises 413 as soon as it is too large."""
    if request.method not in ("POST", "PATCH"):
        return b""
    check_content_type(request.headers.get("content-type"))
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY_BYTES:
            raise ApiError(413, "SANDBOX413", f"The body is larger than {MAX_BODY_BYTES} bytes.")
    return bytes(body)


def _wish(request: Request, name: str, body: bytes, *, call: bool) -> Wish:
    reads = request.method in ("GET", "HEAD")
    check_profile(request.headers.get("accept-profile" if reads else "content-profile"))
    shape, content_type = parse_accept(request.headers.get("accept", "*/*"))
    query = parse_query(request.scope["query_string"], with_arguments=call and reads)
    prefer = parse_prefer(request.headers.getlist("prefer"))
    return Wish(name, request.method, query, Manner(prefer, shape, content_type), body)


def _plan_for_table(wish: Wish, catalogue: Catalogue) -> Plan:
    table = catalogue.tables.get(wish.name)
    if table is None:
        raise ApiError(404, "PGRST205", f"Could not find the table 'public.{wish.name}' in the schema cache")
    if wish.method in ("GET", "HEAD"):
        statement = statements.read(
            catalogue, table, wish.query, wish.how.shape, counted=wish.how.prefer.counted, head=wish.head
        )
        return Plan(statement, partial(rows_response, how=wish.how, offset=wish.offset), read_only=True)
    if wish.method == "DELETE":
        deleted = statements.delete(catalogue, table, wish.query, wish.how.prefer, wish.how.shape)
        return Plan(deleted, partial(change_response, how=wish.how, ranged=False), read_only=False)
    payload = read_rows(wish.body, wish.query.columns)
    if wish.method == "PATCH":
        updated = statements.update(catalogue, table, wish.query, payload, wish.how.prefer, wish.how.shape)
        return Plan(updated, partial(change_response, how=wish.how, ranged=True), read_only=False)
    inserted = statements.insert(catalogue, table, wish.query, payload, wish.how.prefer, wish.how.shape)
    return Plan(inserted, partial(insert_response, how=wish.how), read_only=False)


def _plan_for_function(wish: Wish, catalogue: Catalogue) -> Plan:
    arguments: str | dict[str, str]
    if wish.method == "POST":
        arguments, named = read_arguments(wish.body)
        given = list(named or {})
    else:
        arguments = dict(wish.query.arguments)
        given = list(arguments)
    function = choose_function(catalogue, wish.name, given, whole_body=wish.method == "POST")
    statement = call(
        catalogue,
        function,
        wish.query,
        arguments,
        given,
        wish.how.shape,
        counted=wish.how.prefer.counted and function.returns_set,
        head=wish.head,
    )
    how = wish.how if function.returns_set else replace(wish.how, shape=Shape())
    finish = partial(rows_response, how=how, offset=wish.offset, no_content=function.returns_void)
    return Plan(statement, finish, read_only=function.read_only or wish.method != "POST")
