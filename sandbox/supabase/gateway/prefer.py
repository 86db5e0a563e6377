"""The Prefer header: how a request wants its answer."""

from collections.abc import Iterable
from dataclasses import dataclass

from sandbox.supabase.gateway.errors import ApiError

# In the order in which Preference-Applied lists them.
_VALUES: dict[str, tuple[str, ...]] = {
    "resolution": ("merge-duplicates", "ignore-duplicates"),
    "missing": ("default", "null"),
    "return": ("representation", "minimal"),
    "count": ("exact", "planned", "estimated"),
    "handling": ("strict", "lenient"),
}


@dataclass(frozen=True)
class Preferences:
    """The first preference of each kind; `chosen` maps kind to value."""

    chosen: dict[str, str]
    max_affected: int | None = None

    @property
    def representation(self) -> bool:
        return self.chosen.get("return") == "representation"

    @property
    def counted(self) -> bool:
        """Any kind of count: the sandbox counts exactly whatever was asked."""
        return "count" in self.chosen

    @property
    def resolution(self) -> str | None:
        return self.chosen.get("resolution")

    @property
    def missing_default(self) -> bool:
        return self.chosen.get("missing") == "default"

    def applied(self, *kinds: str) -> dict[str, str]:
        """The Preference-Applied header naming those of `kinds` that were asked for; empty if none was."""
        names = [f"{kind}={self.chosen[kind]}" for kind in _VALUES if kind in kinds and kind in self.chosen]
        if self.max_affected is not None and "max-affected" in kinds:
            names.append(f"max-affected={self.max_affected}")
        return {"Preference-Applied": ", ".join(names)} if names else {}


def parse_prefer(headers: Iterable[str]) -> Preferences:
    """Reads all Prefer headers of a request.

    Raises PGRST122 if one is unknown and `handling=strict` was asked for; otherwise unknown ones are ignored.
    """
    chosen: dict[str, str] = {}
    max_affected: int | None = None
    unknown: list[str] = []
    for preference in (part.strip() for header in headers for part in header.split(",")):
        kind, _, value = preference.partition("=")
        if value in _VALUES.get(kind, ()):
            chosen.setdefault(kind, value)
        elif kind == "max-affected" and value.isascii() and value.isdigit():
            max_affected = int(value) if max_affected is None else max_affected
        elif preference:
            unknown.append(preference)
    strict = chosen.get("handling") == "strict"
    if strict and unknown:
        raise ApiError(
            400,
            "PGRST122",
            "Invalid preferences given with handling=strict",
            details=f"Invalid preferences: {', '.join(unknown)}",
        )
    return Preferences(chosen, max_affected if strict else None)
