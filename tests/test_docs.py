"""Docs say what is true: every command, file, link, setting and test that they name is there."""

import json
import re
import shlex
import subprocess
import tomllib
from collections.abc import Sequence
from pathlib import Path

import pytest
import yaml

from tests.support import command_line
from tests.support.doc_pages import (
    PAGES,
    ROOT,
    Block,
    anchors,
    blocks,
    commands,
    inline_code,
    links,
    name,
    words,
)
from tests.support.postgres import Database

SHELL = list(blocks("sh", "bash"))
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
# Programs that are not ours; their lines are checked as shell only.
FOREIGN = {"curl", "git", "ngrok", "cloudflared", "cp", "chmod", "export", "python3", "pg_dump", "pg_restore"}
FOREIGN |= {"psql", "supabase", "sed"}
# The files that a command of ours would read are the reader's own.
OF_THE_READER = {"services.yml", "actions.yml", "notices.yaml", "our-flow.yml", "heads.json"}
FOLDERS = (
    r"(docs|tests|dashboard|pages|kestra|supabase|sandbox|benchmarks|containers|requirements|monitoring)"
)


def place(block: Block) -> str:
    return block.place


def targets() -> set[str]:
    return set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))


# Commands --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("block", SHELL, ids=place)
def test_every_shell_block_is_shell(block: Block) -> None:
    done = subprocess.run(["bash", "-n"], input=block.text, text=True, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("block", SHELL, ids=place)
def test_every_command_of_a_shell_block_is_one(block: Block) -> None:
    programs = [(line, each) for line in commands(block.text) for each in words(line)]
    for written, (program, *arguments) in programs:
        if program == "make":
            made = [word for word in arguments if "=" not in word]
            assert made, written
            assert set(made) <= targets(), written
        elif program.rpartition("/")[2] == "incidentscribe":
            assert command_line.problem(arguments) == "", written
        elif program == "docker":
            in_containers(arguments)
        elif program == ".venv/bin/pytest":
            for path in arguments:
                assert path.startswith("-") or (ROOT / path).exists(), written
        elif program.endswith("/bin/pip"):
            installed(arguments)
        else:
            assert program in FOREIGN, f"{program} is checked by nothing"


def in_containers(arguments: Sequence[str]) -> None:
    """`docker compose …`: its services are ours, and so is what runs in them."""
    assert arguments[0] == "compose"
    verb, *rest = arguments[1:]
    assert verb in {"build", "up", "down", "run", "logs", "ps", "pull", "restart", "exec", "stop"}
    left = iter(rest)
    for word in left:
        if word in {"-v", "-e"}:
            next(left)
        elif not word.startswith("-"):
            assert word in COMPOSE, f"{word} is no service"
            if verb == "run":
                assert command_line.problem(list(left)) == ""


def installed(arguments: Sequence[str]) -> None:
    """`pip install …`: the lock is there, and the wheel has the name it gets."""
    assert arguments[0] == "install"
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    for word in arguments:
        if word.startswith("requirements/"):
            assert (ROOT / word).is_file()
        if word.endswith(".whl"):
            assert word == f"dist/incidentscribe-{version}-py3-none-any.whl"


def test_no_command_of_ours_stands_in_a_block_that_nothing_reads() -> None:
    unread = [
        block.place
        for block in blocks("", "text", "console")
        if re.search(r"^(\$ )?(incidentscribe|make|docker) ", block.text, re.MULTILINE)
    ]
    assert unread == []


def test_every_command_line_of_ours_within_a_sentence_exists() -> None:
    wrong = []
    for page, code in inline_code():
        if not code.startswith("incidentscribe "):
            continue
        before = re.split(r" [|…>]", code)[0]
        if found := command_line.problem(shlex.split(before)[1:], whole=False):
            wrong.append(f"{page}: {code}: {found}")
    assert wrong == []


def test_every_make_target_that_the_docs_name_exists() -> None:
    named = {code.split()[1] for _, code in inline_code() if re.match(r"make [a-z][a-z-]*", code)}
    assert named <= targets(), f"named but not there: {named - targets()}"


def test_every_command_is_explained_somewhere() -> None:
    text = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)
    lines = [" ".join(("incidentscribe", *path)) for path in command_line.paths()]
    assert [line for line in lines if line not in text] == []


# Data ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("block", list(blocks("yaml", "yml")), ids=place)
def test_every_yaml_block_is_yaml(block: Block) -> None:
    assert yaml.safe_load(block.text) is not None


@pytest.mark.parametrize("block", list(blocks("json")), ids=place)
def test_every_json_block_is_json(block: Block) -> None:
    assert json.loads(block.text) is not None


def test_every_sql_block_runs(migrated_database: Database) -> None:
    found = list(blocks("sql"))
    assert found
    for block in found:
        with migrated_database.connect() as owner:
            owner.execute("set search_path to public")
            owner.execute(block.text.encode())
            owner.rollback()


# What is named ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_link_within_the_project_leads_somewhere(page: Path) -> None:
    broken = []
    for path, anchor in links(page):
        target = page.parent / path if path else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(f"{path}#{anchor}")
    assert broken == []


def test_every_page_is_found_from_the_first_one() -> None:
    found, todo = set(), [ROOT / "README.md"]
    while todo:
        page = todo.pop().resolve()
        if page.suffix == ".md" and page not in found:
            found.add(page)
            todo += [page.parent / path for path, _ in links(page) if path]
    assert {name(page) for page in PAGES} - {name(page) for page in found} == set()


def test_every_file_that_a_page_names_is_there() -> None:
    missing = []
    for page, code in inline_code():
        for word in re.findall(rf"(?<![\w./-]){FOLDERS}(/[\w.*/-]+)", code):
            path = "".join(word).rstrip("./")
            if not list(ROOT.glob(path)) and path not in OF_THE_READER:
                missing.append(f"{page}: {path}")
    assert missing == []


def test_every_setting_that_a_page_names_exists() -> None:
    known = set(re.findall(r"^([A-Z_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE))
    known |= {"INCIDENTSCRIBE_ENV_FILE"}
    text = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)
    named = set(re.findall(r"\bINCIDENTSCRIBE_[A-Z_]*[A-Z]\b", text))
    assert named - known == set()


def test_every_test_that_the_security_page_names_exists() -> None:
    named = set(re.findall(r"`(test_\w+)`", (ROOT / "docs/security.md").read_text()))
    written = {
        function
        for file in ROOT.glob("tests/**/*.py")
        for function in re.findall(r"def (test_\w+)", file.read_text())
    }
    assert len(named) >= 30
    assert named <= written, f"named but not written: {named - written}"


def test_no_lock_file_names_a_registry() -> None:
    for lock in ROOT.glob("requirements/*.txt"):
        assert "://" not in lock.read_text(), lock.name
