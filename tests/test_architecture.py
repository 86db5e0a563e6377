"""Which part may know which: the rules of the layout, read from the imports."""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PRODUCT = sorted((ROOT / "dashboard").rglob("*.py"))
PAGES = sorted((ROOT / "pages").glob("*.py"))
SANDBOX = sorted((ROOT / "sandbox").rglob("*.py"))

WITH_STREAMLIT = ("dashboard/app.py", "dashboard/web/", "dashboard/ui/", "pages/")


def name(file: Path) -> str:
    return file.relative_to(ROOT).as_posix()


def imports(file: Path) -> Iterator[str]:
    """Every module a file imports, wherever in the file, with the names taken from it."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name(file)}: imports are absolute"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def importers(files: list[Path], module: str) -> set[str]:
    """Names of the files that import a module or something below it."""
    return {
        name(file)
        for file in files
        for used in imports(file)
        if used == module or used.startswith(f"{module}.")
    }


def test_only_what_draws_knows_streamlit() -> None:
    strangers = {f for f in importers(PRODUCT + PAGES, "streamlit") if not f.startswith(WITH_STREAMLIT)}
    assert not strangers


@pytest.mark.parametrize(
    ("part", "forbidden"),
    [
        ("dashboard/domain/", ("store", "kestra_api", "live", "worker", "web", "ui", "settings")),
        ("dashboard/store/", ("kestra_api", "live", "worker", "web", "ui")),
        ("dashboard/kestra_api/", ("store", "live", "worker", "web", "ui")),
        ("dashboard/worker/", ("live", "web", "ui")),
        ("dashboard/live/", ("worker", "web", "ui")),
        ("dashboard/web/", ("ui",)),
    ],
)
def test_dependencies_run_one_way(part: str, forbidden: tuple[str, ...]) -> None:
    files = [file for file in PRODUCT if name(file).startswith(part)]
    assert files
    for module in forbidden:
        assert not importers(files, f"dashboard.{module}")


def test_the_domain_does_no_input_or_output() -> None:
    files = [file for file in PRODUCT if name(file).startswith("dashboard/domain/")]
    for module in ("httpx", "supabase", "os", "pathlib", "socket", "threading"):
        assert not importers(files, module)


def test_only_the_store_speaks_to_supabase_and_only_the_client_to_kestra() -> None:
    # Others name the client's type; calls to it stand in the store.
    allowed = (
        "dashboard/store/",
        "dashboard/administration.py",
        "dashboard/audit.py",
        "dashboard/cli",
        "dashboard/live/following.py",
        "dashboard/ui/session.py",
        "dashboard/worker/",
        "dashboard/web/",
        "dashboard/seed/",
    )
    assert all(file.startswith(allowed) for file in importers(PRODUCT, "supabase"))
    for file in PAGES + [f for f in PRODUCT if name(f).startswith(("dashboard/ui/", "dashboard/web/"))]:
        source = file.read_text(encoding="utf-8")
        assert ".table(" not in source.replace("st.table(", ""), name(file)
        assert ".rpc(" not in source, name(file)


def test_the_web_part_cannot_read_the_service_key() -> None:
    for file in PAGES + [f for f in PRODUCT if name(f).startswith(("dashboard/ui/", "dashboard/web/"))]:
        used = set(imports(file))
        assert not used & {"dashboard.settings.WorkerSettings", "dashboard.settings.DeploySettings"}, name(
            file
        )
        assert "dashboard.store.connection.as_service" not in used, name(file)
        assert "service_role" not in file.read_text(encoding="utf-8"), name(file)


def test_sandbox_and_product_do_not_know_each_other() -> None:
    assert not importers(SANDBOX, "dashboard")
    assert not importers(PRODUCT + PAGES, "sandbox")


def test_no_page_draws_markup_of_its_own() -> None:
    banned = re.compile(
        r"unsafe_allow_html|unsafe_allow_javascript|\bst\.html\b|\bst\.iframe\b|components\.v1"
    )
    for file in PRODUCT + PAGES:
        assert not banned.search(file.read_text(encoding="utf-8")), name(file)


def test_pages_are_thin_scripts_that_ask_who_is_there_first() -> None:
    assert PAGES
    for file in PAGES:
        tree = ast.parse(file.read_text(encoding="utf-8"))
        lines = len(file.read_text(encoding="utf-8").splitlines())
        assert lines <= 100, f"{name(file)} has {lines} lines"
        statements = [
            node
            for node in tree.body[1:]
            if not isinstance(node, (ast.Import, ast.ImportFrom))
            and not (isinstance(node, ast.Assign) and not isinstance(node.value, ast.Call))
        ]
        assert "session.require(" in ast.unparse(statements[0]), name(file)


def test_components_do_not_fetch() -> None:
    # session and kestra are the two doors through which pages fetch; types may be named anywhere.
    for file in PRODUCT:
        if name(file).startswith("dashboard/ui/") and file.name not in ("session.py", "kestra.py"):
            for used in imports(file):
                module, _, member = used.rpartition(".")
                is_store = module.startswith(("dashboard.store", "dashboard.kestra_api"))
                assert not is_store or member[:1].isupper(), f"{name(file)} imports {used}"


def test_folders_named_like_libraries_hold_no_python() -> None:
    for folder in ("kestra", "supabase"):
        assert not list((ROOT / folder).rglob("*.py"))
    assert not (ROOT / "pages" / "__init__.py").exists()
    assert not (ROOT / "dashboard" / "pages").exists()


def test_modules_stay_small() -> None:
    for file in PRODUCT + PAGES + SANDBOX:
        assert len(file.read_text(encoding="utf-8").splitlines()) <= 320, name(file)


def test_no_test_lies_where_none_is_looked_for() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    places = project["tool"]["pytest"]["ini_options"]["testpaths"]
    looked_for = {
        file for place in places for path in ROOT.glob(place) for file in (path, *path.rglob("*.py"))
    }
    assert set((ROOT / "tests").rglob("test_*.py")) <= looked_for
