"""The key-value store of a namespace."""

from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import Response

from sandbox.kestra import bridge, queries
from sandbox.kestra.answers import Refusal, json_response
from sandbox.kestra.bodies import VALUE_LIMIT, read_text, require_type
from sandbox.kestra.bridge import JavaFailure, failures, java
from sandbox.kestra.engine import TENANT, Engine


async def get(request: Request) -> Response:
    """`GET /namespaces/{namespace}/kv/{key}`: type, value, revision and time; 404 unknown or expired."""
    return await run_in_threadpool(_get, request.app.state.engine, **request.path_params)


def _get(engine: Engine, namespace: str, key: str) -> Response:
    with failures():
        store = _store(engine, namespace)
        entry, value = bridge.optional(store.get(key)), bridge.optional(store.getValue(key))
        if entry is None or value is None:
            raise Refusal(404, f"Not Found: No value found for key '{key}' in namespace '{namespace}'")
        typed = java("io.kestra.core.models.kv.KVType").from_(value.value())
        shown = {"type": str(typed), "value": bridge.to_python(value.value())}
        return json_response(
            shown | {"revision": int(entry.revision()), "updated": bridge.to_python(entry.updateDate())}
        )


async def search(request: Request) -> Response:
    """`GET /kv`: a page of keys, without values, of all namespaces or of those that filters name."""
    return json_response(await run_in_threadpool(_search, request.app.state.engine, request.query_params))


def _search(engine: Engine, query: QueryParams) -> dict[str, Any]:
    with failures():
        wanted, page = queries.filters(query, "KV_METADATA"), queries.page(query, "listAllKeys")
        repository = engine.bean("io.kestra.core.repositories.KvMetadataRepositoryInterface")
        found = repository.find(page, TENANT, wanted, False, False)
        entries = [bridge.to_python(java("io.kestra.core.storages.kv.KVEntry").from_(each)) for each in found]
        return queries.results(found, entries)


async def put(request: Request) -> Response:
    """`PUT /namespaces/{namespace}/kv/{key}`, text/plain: one Ion or JSON value, strings in quotes.

    Unquoted text ends after its first word, as on every Kestra. 200 without a body.
    """
    require_type(request, "text/plain")
    text = await read_text(request, VALUE_LIMIT)
    ttl, description = request.headers.get("ttl"), request.headers.get("description")
    return await run_in_threadpool(
        _put, request.app.state.engine, text, ttl, description, **request.path_params
    )


def _put(
    engine: Engine, text: str, ttl: str | None, description: str | None, namespace: str, key: str
) -> Response:
    with failures():
        try:
            with failures():
                value = java("io.kestra.core.serializers.JacksonMapper").ofIon().readTree(text)
        except JavaFailure as error:
            raise Refusal(422, "Illegal argument: Invalid JSON value") from error
        lives = bridge.null("java.time.Duration") if ttl is None else java("java.time.Duration").parse(ttl)
        metadata = java("io.kestra.core.storages.kv.KVMetadata")(description, lives)
        wrapped = java("io.kestra.core.storages.kv.KVValueAndMetadata")(metadata, value)
        _store(engine, namespace).put(key, wrapped)
        return Response()


async def delete(request: Request) -> Response:
    """`DELETE /namespaces/{namespace}/kv/{key}`: 200 with `true`, or `false` if there was none."""
    return await run_in_threadpool(_delete, request.app.state.engine, **request.path_params)


def _delete(engine: Engine, namespace: str, key: str) -> Response:
    with failures():
        return json_response(bool(_store(engine, namespace).delete(key)))


def _store(engine: Engine, namespace: str) -> Any:
    # Not KVStoreService.get: that refuses a namespace in which no flow has been saved yet.
    return java("io.kestra.core.storages.kv.InternalKVStore")(
        TENANT,
        namespace,
        engine.bean("io.kestra.core.storages.StorageInterface"),
        engine.bean("io.kestra.core.runners.KVMetadataStateStore"),
    )
