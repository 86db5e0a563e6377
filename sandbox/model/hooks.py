"""Making the next answers go wrong, and reading what was asked, for tests."""

import asyncio
import json
from collections import deque
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

HANG_SECONDS = 3600.0
KEPT_PROMPTS = 50


def _candidate(text: str, finish: str = "STOP") -> dict[str, Any]:
    return {
        "candidates": [{"content": {"role": "model", "parts": [{"text": text}]}, "finishReason": finish}],
        "usageMetadata": {"promptTokenCount": 10, "candidatesTokenCount": 5, "totalTokenCount": 15},
        "modelVersion": "demo-model",
    }


_REFUSALS = {"429": "RESOURCE_EXHAUSTED", "500": "INTERNAL", "503": "UNAVAILABLE"}
_BAD_ANSWERS: dict[str, Any] = {
    "empty": {"usageMetadata": {"promptTokenCount": 10, "totalTokenCount": 10}, "modelVersion": "demo-model"},
    "max_tokens": _candidate('{"root_cause": {"text": "cut of', "MAX_TOKENS"),
    "safety": {"candidates": [{"finishReason": "SAFETY"}], "modelVersion": "demo-model"},
    "not_json": _candidate("Sorry, I would rather write prose."),
    "schema_violation": _candidate('{"root_cause": 7, "confidence_level": "CERTAIN"}'),
}
WAYS = (*_REFUSALS, "hang", "html", *_BAD_ANSWERS)


class Hooks:
    """The misbehaviours still to come, in order, and the last prompts."""

    def __init__(self) -> None:
        self._coming: deque[str] = deque()
        self._prompts: deque[dict[str, str]] = deque(maxlen=KEPT_PROMPTS)

    def note(self, prompt: dict[str, str]) -> None:
        self._prompts.append(prompt)

    async def answer_instead(self) -> Response | None:
        """The next bad answer, None when there is none to give."""
        if not self._coming:
            return None
        how = self._coming.popleft()
        if how == "hang":
            await asyncio.sleep(HANG_SECONDS)
        if how == "html":
            return Response("<html>Bad gateway</html>", media_type="text/html")
        if how in _REFUSALS:
            error = {
                "code": int(how),
                "message": "The demo model was told to fail.",
                "status": _REFUSALS[how],
            }
            return JSONResponse({"error": error}, status_code=int(how))
        return JSONResponse(_BAD_ANSWERS[how])

    async def set(self, request: Request) -> Response:
        """Body `{"how": one of WAYS, "times": n}`; times 0 forgets what was told before."""
        told = json.loads(await request.body())
        if told["how"] not in WAYS:
            return JSONResponse({"error": f"how must be one of {', '.join(WAYS)}."}, status_code=422)
        self._coming.clear()
        self._coming.extend([told["how"]] * int(told.get("times", 1)))
        return JSONResponse({"coming": len(self._coming)})

    async def prompts(self, request: Request) -> Response:
        return JSONResponse(list(self._prompts))
