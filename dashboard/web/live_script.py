"""`/live.js`: the listener's code, fetched once; the component that is sent with every run only names it."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

PATH: Final = "/live.js"

_CODE: Final = (Path(__file__).parent / "live.js").read_bytes()
_VERSION: Final = hashlib.sha256(_CODE).hexdigest()[:16]

# Tried until it is there: a page whose listener failed to load once would stand still. A failed import may be
# kept by the browser under its address, so that another try needs another one.
COMPONENT_JS: Final = f"""
const load = async (again) => {{
  try {{
    return await import(`${{location.origin}}{PATH}?v={_VERSION}${{again ? "&again=" + again : ""}}`)
  }} catch {{
    await new Promise((resolve) => setTimeout(resolve, 2000))
    return load(again + 1)
  }}
}}
const listener = load(0)
export default async (component) => (await listener).default(component)
"""


def route() -> Route:
    return Route(PATH, _script)


async def _script(_: Request) -> Response:
    # The address changes with the content.
    headers = {"Cache-Control": "public, max-age=31536000, immutable"}
    return Response(_CODE, media_type="text/javascript", headers=headers)
