"""Whether a detector still looks at the same places after it learned a second source: heatmaps of example faces side by side, and SSIM."""

import base64
import io
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from markupsafe import Markup
from PIL import Image

from attribution.detectors.tables import Estimate, Row, Unfit, figure_words, share_words
from attribution.measured.figures import ANY, Line, Panels, draw, key, stack
from attribution.measured.section import Section, attempt, need
from attribution.measured.transfer import VARIANTS
from attribution.measured.zeroshot import Findings, decided, inline, minus, ordered, over, share_of
from attribution.render import overlay
from attribution.render.palette import heat_colours
from attribution.text import failures as text
from attribution.text import page as page_text
from attribution.text.numbers import percent

_SHARES = ("below 0.7", "0.7 to 0.9", "above 0.9")
_TOP, _ALL, _CHANCE = "base–top", "base–all", "chance"
_MOST_SIDE = 16
_FACE_SIDE_PX = 128
_SHADES = 10
_STRENGTH = 0.85
_BADGES: Mapping[bool | None, tuple[str, str]] = {
    True: ("manipulated", text.IS_MANIPULATED),
    False: ("no_manipulation_found", text.IS_UNTOUCHED),
}

# By (detector, pair of heatmaps) the row of the table, and the mean SSIM.
Pairs = Mapping[Any, tuple[Row, Estimate]]


class _Map(NamedTuple):
    """One heatmap: `heat` S×S in [0, 1]; `p` of manipulated."""

    example: str
    detector: str
    source: str
    variant: str
    p: float
    heat: np.ndarray


def attention(at: Findings) -> Section:
    """Raises Unfit."""
    every = at.found("attention", ("detector", "pair"), "mean SSIM", -1.0)
    found: Pairs = {place: (row, one) for place, row, one in every if place[1] in text.PAIRS_OF_MAPS}
    known = [name for name in at.detectors if any(name == one for one, _ in found)]
    need(known, at.table("attention"))
    maps, broken = _maps(at)
    detectors = ordered([*known, *(one.detector for one in maps)], at.detectors)
    sources = ordered((one.source for one in maps), at.sources) if maps else []
    panels = Panels([at.choose_detector(detectors, detectors[0]), at.choose_source(sources, sources[0] if sources else "")])
    places = [place for place in dict.fromkeys((one.detector, one.source) for one in maps) if place[0] in detectors and place[1] in sources]
    drawn, marked, examples = [], _marked(at), [name for name in page_text.EXAMPLES if any(one.example == name for one in maps)]
    for example in examples:
        tiles = []
        for place in places:
            of = {one.variant: one for one in maps if (one.detector, one.source, one.example) == (*place, example)}
            shown = [{"uri": heat_uri(of[name].heat), "p": percent(of[name].p)} if name in of else None for name in VARIANTS]
            numbers = panels.of(at.detector_number(place[0]), at.source_number(place[1]))
            tiles.append(draw.panel(numbers, draw.tiles(shown)))
        drawn.append({"title": page_text.EXAMPLES[example].title, "badge": _BADGES.get(marked.get(example)), "tiles": tiles})
    if drawn:
        panels.drawn.append(draw.looks(drawn, (text.AS_IT_IS, *text.SHORT_VARIANTS.values())))
    for detector in detectors:
        panels.add((at.detector_number(detector), ANY), "", _alike(detector, found))
    notes = draw.small((broken, text.NO_PICTURE if maps and not at.crops else ""))
    # Each face once, however many heatmaps lie over it.
    crops = [(number, at.crops[name]) for number, name in enumerate(examples) if name in at.crops]
    faces = [(number, overlay.data_uri(overlay.fitted(crop, _FACE_SIDE_PX), 72)) for number, crop in crops]
    tables = at.tables("attention", *(("attention_maps",) if maps else ()))
    return Section(_says(found, known), draw.faces_style(faces) + panels.part("attention", before=[notes]), tables)


def _says(found: Pairs, known: Sequence[str]) -> str:
    mean = {pair: over([found[name, pair][1].value for name in known if (name, pair) in found]) for pair in (_TOP, _ALL, _CHANCE)}
    said = text.ALIKE.format(top=figure_words(mean[_TOP]), all=figure_words(mean[_ALL]), chance=figure_words(mean[_CHANCE]))
    both = [(found[name, _ALL][1], found[name, _CHANCE][1]) for name in known if (name, _ALL) in found and (name, _CHANCE) in found]
    gap = over([one.value - chance.value for one, chance in both])
    if gap is None:
        return f"{said} {text.ALIKE_UNKNOWN}"
    sign = decided(gap)
    below = [share for name in known if (name, _ALL) in found and (share := share_of(found[name, _ALL][0], _SHARES[0])) is not None]
    words = text.ALIKE_MORE if sign > 0 else text.ALIKE_LESS if sign < 0 else text.ALIKE_NO_MORE
    words_of = inline(figure_words(gap)) if sign == 0 else figure_words(gap if sign > 0 else minus(gap))
    return f"{said} {words.format(gap=words_of, share=share_words(over(below, 0.0)))}"


def _alike(detector: str, found: Pairs) -> Markup:
    """Mean SSIM of one detector's pairs and the shares of faces by SSIM."""
    lines = []
    for pair, words in ((pair, words) for pair, words in text.PAIRS_OF_MAPS.items() if (detector, pair) in found):
        row, one = found[detector, pair]
        shares = [share for column in _SHARES if (share := share_of(row, column)) is not None]
        parts = [(kind, name, share) for (kind, name), share in zip(text.SSIM_KEY.items(), shares, strict=False)]
        bar = stack(parts) if len(parts) == len(_SHARES) else Markup("<span></span>")
        lines.append(Line(words, (bar, draw.words(figure_words(one), text.SSIM_WORDS))))
    legend = key(*((f"tt-{kind}", name) for kind, name in text.SSIM_KEY.items()))
    return legend + draw.chart((text.SSIM_HEAD, text.SSIM_WORDS), lines, ())


def _maps(at: Findings) -> tuple[list[_Map], str]:
    """The sound heatmaps, or the plain reason why there are none."""
    found = []
    try:
        for row in at.rows("attention_maps", "example", "detector", "trained on", "variant", "side", "p", "values"):
            p, heat = share_of(row, "p"), _heat(row.number("side"), row.text("values"))
            one = (row.text("example"), row.text("detector"), row.text("trained on"), row.text("variant"))
            if p is not None and heat is not None and one[1] in at.detectors and one[2] in at.sources and one[3] in VARIANTS:
                found.append(_Map(*one, p, heat))
    except Unfit as unfit:
        return [], str(unfit)
    return found, "" if found else text.NO_MAPS


def _heat(side: float | None, digits: str) -> np.ndarray | None:
    """S×S in [0, 1] from two hex digits each; None when they are none."""
    if side is None or side != round(side) or not 1 <= side <= _MOST_SIDE or len(digits) != 2 * round(side) ** 2:
        return None
    try:
        return (np.frombuffer(bytes.fromhex(digits), dtype=np.uint8) / 255.0).reshape(round(side), round(side))
    except ValueError:
        return None


def _marked(at: Findings) -> Mapping[str, bool]:
    """Which of the examples are manipulated, where that is said."""
    rows = attempt(lambda: at.rows("example_faces", "example", "manipulated")) or []
    return {row.text("example"): row.holds("manipulated") for row in rows}


def heat_uri(heat: np.ndarray) -> str:
    """A heatmap (S×S in [0, 1]) as a small picture in few shades whose opacity grows with heat: a cold place shows the face."""
    shades = np.round(np.clip(heat, 0, 1) * (_SHADES - 1)) / (_SHADES - 1)
    colours = np.dstack([heat_colours(shades), 255 * _STRENGTH * np.sqrt(shades)])
    stream = io.BytesIO()
    Image.fromarray(colours.round().astype(np.uint8)).save(stream, "WEBP", lossless=True, quality=100, exact=True)
    return f"data:image/webp;base64,{base64.b64encode(stream.getvalue()).decode('ascii')}"
