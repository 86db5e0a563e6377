"""What a request tells the demo model: the data of its prompt and the schema it has to obey."""

import json
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]


class BadRequestError(ValueError):
    """The request is not one of generateContent."""


@dataclass(frozen=True)
class Item:
    """One numbered piece of evidence."""

    n: int
    kind: str
    at: str | None
    text: str


@dataclass(frozen=True)
class Briefing:
    """A request, read.

    `data` is the last part of the prompt if it is a JSON object, else empty; `schema` is the requested
    responseSchema in Gemini's dialect, None for free text.
    """

    prompt: str
    schema: Json | None
    data: Json = field(default_factory=dict)
    evidence: tuple[Item, ...] = ()

    @property
    def service(self) -> str:
        """The service's name, if the data has a catalogued service; text from outside is not repeated."""
        service = self.data.get("service")
        name = service.get("name") if isinstance(service, dict) else None
        return name if isinstance(name, str) and len(name) <= 60 else "the service"


def read(body: bytes) -> Briefing:
    """Raises BadRequestError with a sentence."""
    try:
        request = json.loads(body)
        texts = [str(part["text"]) for content in request["contents"] for part in content["parts"]]
        schema = request.get("generationConfig", {}).get("responseSchema")
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise BadRequestError(
            f"The body is not a generateContent request: {type(error).__name__}."
        ) from error
    if not texts:
        raise BadRequestError("The body has no text part.")
    try:
        data = json.loads(texts[-1])
    except (ValueError, RecursionError):
        data = {}
    if not isinstance(data, dict):
        data = {}
    return Briefing("\n".join(texts), schema, data, tuple(_items(data.get("evidence"))))


def _items(evidence: object) -> list[Item]:
    if not isinstance(evidence, list):
        return []
    return [
        Item(
            raw["n"],
            str(raw.get("kind")),
            raw["at"] if isinstance(raw.get("at"), str) else None,
            str(raw.get("text")),
        )
        for raw in evidence
        if isinstance(raw, dict) and type(raw.get("n")) is int
    ]
