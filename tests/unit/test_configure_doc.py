"""docs/configure.md is what the settings say."""

from tests.support import configure_doc


def test_the_page_is_current() -> None:
    assert configure_doc.DOC.read_text(encoding="utf-8") == configure_doc.text(), "run: make configure-doc"


def test_every_setting_of_every_program_is_explained() -> None:
    explained = [key for _, keys in configure_doc.blocks() for key in keys]
    assert len(explained) == len(set(explained))
    assert set(explained) == configure_doc.known().keys()
    assert all(comment for comment, _ in configure_doc.blocks())
