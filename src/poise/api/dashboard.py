"""The built dashboard as static files; its routes all answer with the one page."""

import mimetypes
from pathlib import Path
from typing import Any

from litestar import Request, Response, get
from litestar.handlers import BaseRouteHandler

from poise.api.errors import Refused

STATIC = Path(__file__).parent / "static"
FOREVER = "public, max-age=31536000, immutable"
_NOT_BUILT = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Poise</title>
<body><h1>The dashboard is not built</h1><p>This installation has no dashboard files; the API works.
Run <code>make setup</code> in the source folder, or install the released package.</p></body></html>
"""
_KINDS = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}


class Dashboard:
    """Files of the built page, read once.

    Parameters
    ----------
    folder
        Where the build is.
    """

    def __init__(self, folder: Path = STATIC) -> None:
        page = folder / "index.html"
        self._page = page.read_bytes() if page.is_file() else None
        self._files = {
            str(path.relative_to(folder)): path
            for path in folder.rglob("*")
            if path.is_file() and not path.name.startswith(".")
        }

    def page(self) -> Response[bytes]:
        """The page, or one that says that there is none."""
        body = _NOT_BUILT.encode() if self._page is None else self._page
        return Response(body, media_type="text/html; charset=utf-8")

    def file(self, name: str) -> Response[bytes] | None:
        """One file by its exact name; None when there is none."""
        path = self._files.get(name)
        if path is None:
            return None
        kind = _KINDS.get(path.suffix) or mimetypes.guess_type(name)[0]
        headers = {"cache-control": FOREVER if name.startswith("assets/") else "no-cache"}
        media = kind or "application/octet-stream"
        return Response(path.read_bytes(), media_type=media, headers=headers)


def dashboard_routes(dashboard: Dashboard) -> list[BaseRouteHandler]:
    """Routes of the dashboard: files by name, and the page for everything of the page's own."""

    @get("/", sync_to_thread=False, include_in_schema=False)
    def root() -> Response[bytes]:
        return dashboard.page()

    @get("/{path:path}", sync_to_thread=False, include_in_schema=False)
    def any_path(request: Request[Any, Any, Any]) -> Response[Any]:
        name = request.url.path.lstrip("/")
        found = dashboard.file(name)
        if found is not None:
            return found
        first = name.partition("/")[0]
        if first in {"api", "assets", "ws"} or "." in name.rpartition("/")[2]:
            raise Refused(404, f"There is nothing at /{name[:80]}.")
        return dashboard.page()

    return [root, any_path]
