"""Postmortems as files: the same content in each, read back; hostile text stays text."""

from __future__ import annotations

import io
import json
import re
from html.parser import HTMLParser
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pypdf
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dashboard.domain.compose import Record, compose
from dashboard.domain.document import Document
from dashboard.domain.incident import IncidentEvent
from dashboard.domain.postmortem import ItemRecord, PostmortemVersion
from dashboard.export.files import FORMATS, file_name
from tests.app.examples import INCIDENT_ID, ago, make_analysis, make_approval, make_incident
from tests.unit.test_markup import ATTACKS

EVIL = "\n\n".join(ATTACKS)


def make_version(number: int, summary: str, **fields: Any) -> PostmortemVersion:
    written = {"text": summary, "version": number, "by": "Rita", "by_id": "1", "at": ago(60)}
    base = {
        "id": number,
        "incident_id": INCIDENT_ID,
        "version": number,
        "status": "published",
        "sections": {"summary": written},
        "author_id": "1",
        "author_name": "Rita",
        "at": ago(60),
        "section": "summary",
    }
    return PostmortemVersion.model_validate(base | fields)


def make_document(summary: str, hostile: str = "") -> Document:
    more = f" {hostile}" if hostile else ""
    analysis = make_analysis(
        completed_at=ago(5),
        problem=f"cut off{more}",
        model=f"demo-model{more}",
        evidence=[{"n": 1, "kind": "log", "text": f"ERROR pool exhausted{more}", "source": f"logs{more}"}],
    )
    event = {"id": 1, "incident_id": INCIDENT_ID, "kind": "note", "actor_name": f"Rita{more}", "at": ago(90)}
    item = {"id": "i", "incident_id": INCIDENT_ID, "title": f"Add a test{more}", "created_at": ago(50)}
    record = Record(
        events=(IncidentEvent.model_validate(event | {"detail": {"text": f"looked at it{more}"}}),),
        approvals=(make_approval(status="rejected", decided_at=ago(30), decision_reason=f"too risky{more}"),),
        items=(ItemRecord.model_validate(item | {"owner_name": f"Ben{more}"}),),
    )
    incident = make_incident(title=f"Payments time out{more}", service=f"payment-api{more}")
    return compose(incident, analysis, [make_version(3, summary, author_name=f"Rita{more}")], record)


def made(document: Document) -> dict[str, bytes]:
    return {kind.extension: kind.make(document) for kind in FORMATS}


class Page(HTMLParser):
    """Tags with their attributes, and the text of a page."""

    def __init__(self, page: bytes) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page.decode())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def pdf_text(file: bytes) -> str:
    pages = pypdf.PdfReader(io.BytesIO(file)).pages
    return " ".join(" ".join(page.extract_text() for page in pages).split())


SAID = [
    "Payments time out",
    "Pool sizes belong into the review",
    "The database pool of payment-api is exhausted by dead connections.",
    "Restart the instances one by one.",
    "SELECT count(*) FROM pg_stat_activity;",
    "looked at it",
    "too risky",
    "Add a test",
    "Set a maximum age for connections",
    "ERROR pool exhausted",
    "unsupported",
    "edited Summary",
    "not acknowledged yet",
]


def test_every_format_carries_the_same() -> None:
    files = made(make_document("Pool sizes belong into the review [1].\n\n- one\n- **two**"))
    markdown = re.sub(r"\\(?=[!-/:-@\[-`{-~])|\u2060", "", files["md"].decode())
    readable = {"md": markdown, "html": Page(files["html"]).text, "pdf": pdf_text(files["pdf"])}
    for extension, text in readable.items():
        flat = " ".join(text.split())
        assert [said for said in SAID if said not in flat] == [], extension


def test_json_is_the_document_by_its_schema() -> None:
    document = make_document("Ours [1].")
    written = json.loads(made(document)["json"])
    jsonschema.validate(written, Document.model_json_schema(mode="serialization"))
    assert Document.model_validate(written) == document


def test_a_page_loads_nothing_and_runs_nothing_whatever_is_in_it() -> None:
    page = Page(made(make_document(EVIL, EVIL))["html"])
    tags = {tag for tag, _ in page.tags}
    assert not tags & {"script", "img", "iframe", "object", "embed", "link", "form", "svg", "base", "video"}
    for tag, attributes in page.tags:
        assert not [name for name in attributes if name.startswith("on") or name in ("style", "src")], tag
        address = attributes.get("href")
        assert address is None or re.match(r"#[a-z_]+(-\d+)?$|https?://[a-z0-9.-]+", address), address
    [policy] = [a["content"] for t, a in page.tags if a.get("http-equiv") == "Content-Security-Policy"]
    assert policy is not None
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "unsafe" not in policy
    assert "<script>alert(1)</script>" in page.text


def test_markdown_holds_no_picture_no_html_and_no_hidden_address() -> None:
    text = made(make_document(EVIL, EVIL))["md"].decode()
    outside = re.sub(r"(`+)(?!`).*?(?<!`)\1(?!`)", "", text, flags=re.DOTALL)
    assert not re.search(r"(?<!\\)!?\]\(", outside)
    assert not re.search(r"(?<!\\)<(?!https?://)", outside)


def test_letters_that_the_fonts_do_not_have_become_boxes() -> None:
    text = pdf_text(made(make_document("Ελληνικά, кириллица, žluťoučký; 漢字 and 🦄."))["pdf"])
    assert "Ελληνικά, кириллица, žluťoučký; □□ and □." in text


def test_a_citation_leads_to_its_evidence_in_a_pdf() -> None:
    reader = pypdf.PdfReader(io.BytesIO(made(make_document("Ours [1]."))["pdf"]))
    links = [note for page in reader.pages for note in page.get("/Annots") or []]
    assert links
    assert "Evidence" in [str(entry.title) for entry in reader.outline if not isinstance(entry, list)]


@settings(max_examples=8, deadline=None)
@given(
    st.text(max_size=120), st.text(alphabet=st.sampled_from("ab \n[](){}<>*_`#|\\!&$:/.-=\x02"), max_size=60)
)
def test_no_text_breaks_an_export(summary: str, hostile: str) -> None:
    for file in made(make_document(summary or "x", hostile)).values():
        assert file


@pytest.mark.parametrize(
    ("external_id", "name"),
    [
        ("INC-20261124-0001", "postmortem-INC-20261124-0001-v3.pdf"),
        ("../../etc/passwd", "postmortem-etc-passwd-v3.pdf"),
        ('a"; rm -rf ~\r\n\u202e', "postmortem-a-rm--rf-v3.pdf"),
        ("日本", "postmortem-incident-v3.pdf"),
    ],
)
def test_a_file_name_is_plain(external_id: str, name: str) -> None:
    document = compose(make_incident(external_id=external_id), None, [make_version(3, "x")])
    assert file_name(document, "pdf") == name
