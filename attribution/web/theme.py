"""The look of the page: Gradio's theme and our style sheet, both from the one palette. System fonts only, so that nothing is fetched."""

import json
from pathlib import Path

import numpy as np
from gradio.themes import Base, sizes
from markupsafe import escape

from attribution.messages import LANGUAGES, RIGHT_TO_LEFT
from attribution.render.palette import AREA_GROUND, AREA_LINE, DARK, LIGHT, Tones, heat_colours
from attribution.text import numbers

_HERE = Path(__file__).resolve().parent / "static"
_SANS = ("-apple-system", "Segoe UI", "Roboto", "Helvetica Neue", "Noto Sans", "Liberation Sans", "Arial", "system-ui", "sans-serif")
_MONO = ("ui-monospace", "SF Mono", "Cascadia Mono", "Liberation Mono", "Consolas", "monospace")

# Which of Gradio's variables have which of our tones.
_TONES = {
    "page": "body_background_fill",
    "ink": "body_text_color block_title_text_color link_text_color_hover button_secondary_text_color table_text_color",
    "muted": "body_text_color_subdued block_label_text_color block_info_text_color input_placeholder_color",
    "surface": "background_fill_primary block_background_fill block_label_background_fill input_background_fill table_even_background_fill",
    "sunken": "background_fill_secondary color_accent_soft button_secondary_background_fill table_odd_background_fill",
    "line": "border_color_primary block_border_color button_secondary_background_fill_hover table_border_color",
    "accent": "border_color_accent input_border_color_focus loader_color slider_color link_text_color link_text_color_visited "
    "link_text_color_active button_primary_background_fill button_primary_background_fill_hover",
    "edge": "input_border_color",
    "on_accent": "button_primary_text_color",
    "manipulated_ground": "error_background_fill",
    "manipulated": "error_border_color error_text_color error_icon_color",
}


def theme() -> Base:
    """Gradio's own parts (drop zone, dropdown, slider, tooltips) in our tones, light and dark."""
    base = Base(font=_SANS, font_mono=_MONO, text_size=sizes.text_md, spacing_size=sizes.spacing_md, radius_size=sizes.radius_md)
    settings = {
        f"{name}{suffix}": getattr(tones, tone)
        for suffix, tones in (("", LIGHT), ("_dark", DARK))
        for tone, names in _TONES.items()
        for name in names.split()
    }
    # Gradio has one accent for both modes: the CSS variable follows the mode.
    flat = {"block_border_width": "1px", "block_shadow": "none", "block_shadow_dark": "none", "button_primary_shadow": "none"}
    return base.set(color_accent="var(--tt-accent)", **flat, **settings)


def css() -> str:
    """Our style sheet with the palette's tones as variables."""
    stops = ",".join("rgb({:.0f},{:.0f},{:.0f})".format(*colour) for colour in heat_colours(np.linspace(0, 1, 9)))
    light = f":root{{{_custom(LIGHT)}--tt-heat:{stops};color-scheme:light}}"
    dark = f".dark{{{_custom(DARK)}color-scheme:dark}}"
    names = ("page.css", "files.css", "opinion.css", "detector_panel.css")
    return light + dark + "".join((_HERE / name).read_text(encoding="utf-8") for name in names)


def area_css() -> str:
    """The style sheet of marked areas. Gradio drops rules for containers from a style sheet, so this one goes into the head."""
    tones = f":root{{--tt-area:{AREA_LINE};--tt-area-ground:{AREA_GROUND}}}"
    return tones + (_HERE.parents[1] / "render" / "static" / "common.css").read_text(encoding="utf-8")


def head(plotly: str = "") -> str:
    """The document's head: our scripts with their words, a style sheet, and no referrer for whatever a reader opens from here. `plotly`
    is the address of that library on our own host, for the charts of measurements."""
    files = ("language.js", "page.js", "faces.js", "sections.js", "files.js", "detector_panel.js", "measured.js", "plots.js")
    script = "".join((_HERE / name).read_text(encoding="utf-8") for name in files)
    words = json.dumps(numbers.for_script(), ensure_ascii=False).replace("<", "\\u003c")
    offered = json.dumps({code: "rtl" if code in RIGHT_TO_LEFT else "ltr" for code in LANGUAGES})
    given = f"window.telltaleWords={words};window.telltaleLanguages={offered};"
    metas = f'<meta name="referrer" content="no-referrer"><meta name="telltale-plotly" content="{escape(plotly)}">'
    return f"{metas}<style>{area_css()}</style><script>{given}{script}</script>"


def _custom(tones: Tones) -> str:
    return "".join(f"--tt-{name.replace('_', '-')}:{value};" for name, value in vars(tones).items())
