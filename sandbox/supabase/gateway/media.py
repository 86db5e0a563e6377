"""What kind of body was asked for and sent."""

from sandbox.supabase.gateway.errors import ApiError, not_served
from sandbox.supabase.gateway.whole import Shape

_OBJECT = "application/vnd.pgrst.object"
_ARRAY = "application/vnd.pgrst.array"
_PLAIN = ("*/*", "application/*", "application/json")


def parse_accept(accept: str) -> tuple[Shape, str]:
    """The shape of the answer and its Content-Type; the first type of the list that is known decides.

    Raises PGRST107 if none is known.
    """
    for wanted in accept.split(","):
        name, *parameters = (part.strip().lower() for part in wanted.split(";"))
        stripped = "nulls=stripped" in parameters
        suffix = ";nulls=stripped" if stripped else ""
        if name in _PLAIN or not name:
            return Shape(), "application/json; charset=utf-8"
        if name in (_OBJECT, _OBJECT + "+json"):
            return Shape(True, stripped), f"{_OBJECT}+json{suffix}; charset=utf-8"
        if name in (_ARRAY, _ARRAY + "+json"):
            return Shape(False, stripped), f"{_ARRAY}+json{suffix}; charset=utf-8"
        if name == "text/csv":
            raise not_served("answers as CSV")
    raise ApiError(406, "PGRST107", f"None of these media types are available: {accept}")


def check_content_type(content_type: str | None) -> None:
    """Bodies are JSON; a missing header means so too."""
    name = (content_type or "application/json").partition(";")[0].strip().lower()
    if name != "application/json":
        raise not_served(f"bodies of type {name}")


def check_profile(profile: str | None) -> None:
    """Only schema `public` is exposed."""
    if profile not in (None, "public"):
        raise ApiError(
            406,
            "PGRST106",
            f"Invalid schema: {profile}",
            hint="Only the following schemas are exposed: public",
        )
