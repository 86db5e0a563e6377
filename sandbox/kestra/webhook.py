"""Webhook calls: whoever knows the key of a flow's webhook trigger starts an execution."""

import hmac
from typing import Any
from urllib.parse import quote

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from sandbox.kestra import bridge
from sandbox.kestra.answers import Refusal
from sandbox.kestra.bodies import WEBHOOK_LIMIT, read_body
from sandbox.kestra.bridge import JavaFailure, failures, java
from sandbox.kestra.engine import TENANT, Engine

_BASE = "io.kestra.plugin.core.trigger.AbstractWebhookTrigger"


async def call(request: Request) -> Response:
    """`GET|POST|PUT /api/v1/main/executions/webhook/{namespace}/{flow}/{key}`.

    Answers as Kestra does: 200 with the execution, 204 if a condition was not met, 404 for an unknown flow or
    key, 409 if the flow is disabled, 422 without a body if the trigger's inputs cannot be rendered.
    """
    body = await read_body(request, WEBHOOK_LIMIT)
    return await run_in_threadpool(_call, request.app.state.engine, request, body)


def _call(engine: Engine, request: Request, body: bytes) -> Response:
    with failures():
        namespace, flow_id = request.path_params["namespace"], request.path_params["flow"]
        flow = bridge.optional(engine.flows.findByIdForExecutionWithoutAcl(TENANT, namespace, flow_id))
        if flow is None:
            raise Refusal(404, "Not Found: Flow not found")
        trigger = _find_trigger(engine, flow, request.path_params["key"])
        if flow.isDisabled():
            raise Refusal(409, "Illegal state: Cannot execute a disabled flow")
        if isinstance(flow, java("io.kestra.core.models.flows.FlowWithException")):
            raise Refusal(409, f"Illegal state: Cannot execute an invalid flow: {flow.getException()}")
        if trigger.isDisabled():
            raise Refusal(
                409, f"Conflict: Cannot execute webhook: the trigger '{trigger.getId()}' is disabled."
            )
        context = (
            java("io.kestra.plugin.core.trigger.WebhookContext")
            .builder()
            .request(_java_request(request, body))
            .flow(flow)
            .trigger(trigger)
            .webhookService(engine.bean("io.kestra.core.services.WebhookService"))
            .build()
        )
        answer = trigger.evaluate(context).block()
        content, status = answer.getBody(), int(answer.getStatus().getCode())
        if content is None:
            return Response(status_code=status)
        if isinstance(content, java("java.lang.String")):  # a trigger with responseContentType: text/plain
            return PlainTextResponse(str(content), status)
        return Response(bridge.to_json_text(content), status, media_type="application/json")


def _find_trigger(engine: Engine, flow: Any, key: str) -> Any:
    """The webhook trigger with that key. All keys are compared, and in constant time."""
    found = None
    contexts = engine.bean("io.kestra.core.runners.RunContextFactory")
    for trigger in flow.getTriggers() or ():
        if not isinstance(trigger, java(_BASE)):
            continue
        try:
            with failures():
                expected = str(contexts.of(flow, trigger).render(trigger.getKey())).strip()
        except JavaFailure:
            continue  # a key that cannot be rendered (its KV value is missing) opens nothing
        if hmac.compare_digest(expected.encode(), key.encode()) and found is None:
            found = trigger
    if found is None:
        raise Refusal(404, "Not Found: Webhook not found")
    return found


def _java_request(request: Request, body: bytes) -> Any:
    """The request as Kestra's own HTTP model; the body travels as text, as the webhook trigger wants it."""
    content = None
    if body:
        text = java("io.kestra.core.http.HttpRequest$StringRequestBody").builder()
        text.content(body.decode("utf-8", "replace"))
        text.contentType(request.headers.get("content-type", "application/json"))
        content = text.charset(java("java.nio.charset.StandardCharsets").UTF_8).build()
    # java.net.URI refuses characters that browsers and HTTP clients let pass.
    query = quote(request.url.query, safe="%&=+;,/?:@!$'()*~")
    uri = java("java.net.URI").create(f"{request.base_url}{quote(request.url.path.lstrip('/'))}?{query}")
    headers = bridge.string_lists((_header_name(name), value) for name, value in request.headers.items())
    return java("io.kestra.core.http.HttpRequest").of(uri, request.method, content, headers)


def _header_name(name: str) -> str:
    """`content-type` as `Content-Type`: ASGI lowers names, Kestra shows them as clients write them."""
    return "-".join(part.capitalize() for part in name.split("-"))
