"""The theme: readable in light and dark, and in force wherever the desk was started."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest
from streamlit import config

from dashboard.resources import streamlit_options
from dashboard.web.look import use_options

_HUES = ("red", "orange", "yellow", "green", "blue", "violet", "gray")
# What WCAG 2.2 asks for text of ordinary size.
_ENOUGH = 4.5


def _theme(kind: str) -> dict[str, Any]:
    theme: dict[str, Any] = tomllib.loads(streamlit_options().read_text())["theme"][kind]
    return theme


def _rgb(color: str) -> tuple[float, float, float]:
    return tuple(int(color[place : place + 2], 16) / 255 for place in (1, 3, 5))  # type: ignore[return-value]


def _luminance(rgb: tuple[float, ...]) -> float:
    linear = [part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in rgb]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _contrast(text: str, ground: str, *, opacity: float = 1.0) -> float:
    below = _rgb(ground)
    seen = tuple(opacity * a + (1 - opacity) * b for a, b in zip(_rgb(text), below, strict=True))
    bright, dark = sorted((_luminance(seen), _luminance(below)), reverse=True)
    return (bright + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("kind", ["light", "dark"])
def test_text_stands_out_from_every_ground_captions_too(kind: str) -> None:
    theme = _theme(kind)
    grounds = {
        theme["backgroundColor"],
        theme["secondaryBackgroundColor"],
        theme["sidebar"]["backgroundColor"],
    }
    for ground in grounds:
        assert _contrast(theme["textColor"], ground) >= 7
        # Streamlit draws captions in the colour of text at 60 %.
        assert _contrast(theme["textColor"], ground, opacity=0.6) >= _ENOUGH, ground
        assert _contrast(theme["linkColor"], ground) >= _ENOUGH


@pytest.mark.parametrize("kind", ["light", "dark"])
@pytest.mark.parametrize("hue", _HUES)
def test_a_chip_of_every_colour_can_be_read(kind: str, hue: str) -> None:
    theme = _theme(kind)
    assert _contrast(theme[f"{hue}TextColor"], theme[f"{hue}BackgroundColor"]) >= _ENOUGH
    assert _contrast(theme[f"{hue}TextColor"], theme["backgroundColor"]) >= _ENOUGH


@pytest.mark.parametrize(("kind", "chosen"), [("light", _ENOUGH), ("dark", 3.0)])
def test_words_on_primary_buttons_and_on_chosen_pills_can_be_read(kind: str, chosen: float) -> None:
    theme = _theme(kind)
    assert _contrast("#FFFFFF", theme["primaryColor"]) >= _ENOUGH
    # Streamlit writes a chosen pill in this colour on a tenth of it. On a dark page no colour serves both:
    # the button comes first, and a chosen pill has its border too.
    pill = _mixed(theme["primaryColor"], theme["backgroundColor"], 0.1)
    assert _contrast(theme["primaryColor"], pill) >= chosen


def _mixed(color: str, ground: str, opacity: float) -> str:
    parts = (opacity * a + (1 - opacity) * b for a, b in zip(_rgb(color), _rgb(ground), strict=True))
    return "#" + "".join(f"{round(part * 255):02X}" for part in parts)


def test_the_theme_is_in_force_wherever_the_desk_was_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    config.get_config_options(force_reparse=True)
    assert config.get_option("theme.light.primaryColor") is None
    use_options(streamlit_options())
    assert config.get_option("theme.light.primaryColor") == _theme("light")["primaryColor"]
    assert (
        config.get_option("theme.dark.sidebar.backgroundColor")
        == _theme("dark")["sidebar"]["backgroundColor"]
    )
    assert config.get_option("runner.postScriptGC") is False
    assert config.get_option("client.showErrorDetails") == "none"
