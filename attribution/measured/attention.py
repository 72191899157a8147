"""Whether a detector still looks at the same places after it learned a second source: heatmaps of example faces side by side, and SSIM."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from attribution.detectors.tables import Estimate, Unfit, figure_words, share_words
from attribution.measured import figures
from attribution.measured.choosers import ANY, Chooser, Panels
from attribution.measured.figures import Line
from attribution.measured.sections import Section, study_table
from attribution.measured.study import Study
from attribution.measured.transfer import VARIANTS
from attribution.measured.zeroshot import Names, capital, decided, inline, minus, ordered, over, rows, share_of, sound
from attribution.render import overlay
from attribution.render.palette import heat_colours
from attribution.text import failures as text
from attribution.text import numbers
from attribution.text import page as page_text

_ATTENTION = ("detector", "pair", "mean SSIM")
_MAPS = ("example", "detector", "trained on", "variant", "side", "p", "values")
_SHARES = ("below 0.7", "0.7 to 0.9", "above 0.9")
_TOP, _ALL, _CHANCE = "base–top", "base–all", "chance"
_MOST_SIDE = 16
_FACE_SIDE_PX = 128
_SHADES = 10
_STRENGTH = 0.85


@dataclass(frozen=True)
class _Map:
    """One heatmap: `heat` S×S in [0, 1]; `p` of manipulated."""

    example: str
    detector: str
    source: str
    variant: str
    p: float
    heat: np.ndarray


def attention(study: Study, names: Names, crops: Mapping[str, np.ndarray]) -> Section:
    """`crops`: H×W×3 uint8 of the face of each example that could be read. Raises Unfit."""
    found = _pairs(study)
    known = [name for name in names.detectors if any(name == one for one, _ in found)]
    if not known:
        raise Unfit(f"The table “{study_table(study, 'attention').title}” has no detector of the study.")
    maps, broken = _maps(study, names)
    detectors = ordered([*known, *(one.detector for one in maps)], names.detectors)
    sources = ordered((one.source for one in maps), names.sources) if maps else []
    first, second = names.detector_number(detectors[0]), names.source_number(sources[0]) if sources else 0
    choosers = [
        Chooser(
            "detector", text.CHOOSE_DETECTOR, [(names.detector_number(name), capital(names.detector(name))) for name in detectors], first
        ),
        Chooser("source", text.CHOOSE_SOURCE, [(names.source_number(name), names.source(name)) for name in sources], second),
    ]
    panels = Panels(choosers)
    examples = _examples(study, [one.example for one in maps])
    by_place: dict[tuple[str, str], list[_Map]] = {}
    for one in maps:
        by_place.setdefault((one.detector, one.source), []).append(one)
    looks = ""
    for number, (example, manipulated) in enumerate(examples.items()):
        tiles = "".join(
            f"<div {panels.of(names.detector_number(detector), names.source_number(source))}>{_tiles(own, example)}</div>"
            for (detector, source), own in by_place.items()
            if detector in detectors and source in sources
        )
        looks += _look(number, example, manipulated, tiles)
    if looks:
        panels.drawn.append(f'<div class="tt-looks">{looks}</div>')
    for detector in detectors:
        panels.add((names.detector_number(detector), ANY), "", _alike(study, detector, found))
    notes = [*([broken] if broken else []), *([text.NO_PICTURE] if maps and not crops else [])]
    before = "".join(f'<p class="tt-small">{html.escape(note)}</p>' for note in notes)
    drawn = f"<style>{_faces_style(examples, crops)}</style>{panels.part('attention', before)}"
    tables = [study_table(study, "attention"), *([study.tables["attention_maps"]] if maps else [])]
    return Section("attention", _says(found, known, study), drawn, tuple(tables))


def _pairs(study: Study) -> dict[tuple[str, str], Estimate]:
    found = {}
    for row in rows(study, "attention", _ATTENTION):
        one = sound(row.estimate("mean SSIM"), -1.0)
        if one is not None and row.text("pair") in text.PAIRS_OF_MAPS:
            found[row.text("detector"), row.text("pair")] = one
    return found


def _says(found: Mapping[tuple[str, str], Estimate], known: Sequence[str], study: Study) -> str:
    mean = {
        pair: over([found[name, pair].value for name in known if (name, pair) in found])
        for pair in (_TOP, _ALL, _CHANCE)
    }  # fmt: skip
    said = text.ALIKE.format(top=figure_words(mean[_TOP]), all=figure_words(mean[_ALL]), chance=figure_words(mean[_CHANCE]))
    gap = over(
        [found[name, _ALL].value - found[name, _CHANCE].value for name in known if (name, _ALL) in found and (name, _CHANCE) in found]
    )
    if gap is None:
        return f"{said} {text.ALIKE_UNKNOWN}"
    sign = decided(gap)
    below = [
        share
        for row in rows(study, "attention", _ATTENTION)
        if row.text("pair") == _ALL and row.text("detector") in known and (share := share_of(row, _SHARES[0])) is not None
    ]
    words = text.ALIKE_MORE if sign > 0 else text.ALIKE_LESS if sign < 0 else text.ALIKE_NO_MORE
    words_of = inline(gap) if sign == 0 else figure_words(gap if sign > 0 else minus(gap))
    return f"{said} {words.format(gap=words_of, share=share_words(over(below, 0.0, 1.0)))}"


def _alike(study: Study, detector: str, found: Mapping[tuple[str, str], Estimate]) -> str:
    """Mean SSIM of one detector's pairs and the shares of faces by SSIM."""
    lines = []
    for row in rows(study, "attention", _ATTENTION):
        pair = row.text("pair")
        if row.text("detector") != detector or (detector, pair) not in found:
            continue
        shares = [share_of(row, column) for column in _SHARES]
        bar = (
            figures.shares([(kind, words, share or 0.0) for (kind, words), share in zip(text.SSIM_KEY.items(), shares, strict=True)])
            if all(share is not None for share in shares)
            else "<span></span>"
        )
        lines.append(Line(text.PAIRS_OF_MAPS[pair], (bar, figures.words(figure_words(found[detector, pair]), text.SSIM_WORDS))))
    return figures.shares_key(list(text.SSIM_KEY.items())) + figures.chart((text.SSIM_HEAD, text.SSIM_WORDS), lines)


def _maps(study: Study, names: Names) -> tuple[list[_Map], str]:
    """The sound heatmaps, or the plain reason why there are none."""
    try:
        found = []
        for row in rows(study, "attention_maps", _MAPS):
            p, heat = share_of(row, "p"), _heat(row.number("side"), row.text("values"))
            places = (row.text("example"), row.text("detector"), row.text("trained on"), row.text("variant"))
            if p is None or heat is None or places[1] not in names.detectors or places[2] not in names.sources or places[3] not in VARIANTS:
                continue
            found.append(_Map(*places, p, heat))
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


def _examples(study: Study, named: Sequence[str]) -> dict[str, bool | None]:
    """The examples of the maps in the order of the page: whether they are manipulated, or None when that is not said."""
    try:
        marked = {row.text("example"): row.holds("manipulated") for row in rows(study, "example_faces", ("example", "manipulated"))}
    except Unfit:
        marked = {}
    return {name: marked.get(name) for name in page_text.EXAMPLES if name in named}


def _look(number: int, example: str, manipulated: bool | None, tiles: str) -> str:
    """One example: the face as it is, and beside it the heatmaps of every choice, of which the page shows those that are chosen."""
    badge = "" if manipulated is None else _badge(manipulated)
    heads = "".join(f"<span>{words}</span>" for words in (text.AS_IT_IS, *text.SHORT_VARIANTS.values()))
    title = html.escape(page_text.EXAMPLES[example][0])
    return f'<div class="tt-face-{number}"><h4>{title} {badge}</h4><div class="tt-tiles">{heads}<p></p>{tiles}</div></div>'


def _tiles(own: Sequence[_Map], example: str) -> str:
    maps = {one.variant: one for one in own if one.example == example}
    return "".join(
        f'<p><u style="background-image:url({heat_uri(maps[name].heat)})"></u>{numbers.percent(maps[name].p)}</p>'
        if name in maps
        else "<p>–</p>"
        for name in VARIANTS
    )


def _badge(manipulated: bool) -> str:
    kind, words = ("manipulated", text.IS_MANIPULATED) if manipulated else ("no_manipulation_found", text.IS_UNTOUCHED)
    return f'<span class="tt-badge tt-{kind}">{words}</span>'


def _faces_style(examples: Mapping[str, bool | None], crops: Mapping[str, np.ndarray]) -> str:
    """Each face once, however many heatmaps lie over it."""
    return "".join(
        f".tt-face-{number}{{--tt-face:url({overlay.data_uri(overlay.fitted(crops[example], _FACE_SIDE_PX), 72)})}}"
        for number, example in enumerate(examples)
        if example in crops
    )


def heat_uri(heat: np.ndarray) -> str:
    """A heatmap (S×S in [0, 1]) as a small picture whose opacity grows with heat, so that a cold place shows the face. In few shades: the
    page holds hundreds of them, and the browser smooths them."""
    shades = np.round(np.clip(heat, 0, 1) * (_SHADES - 1)) / (_SHADES - 1)
    colours = np.dstack([heat_colours(shades), 255 * _STRENGTH * np.sqrt(shades)])
    stream = io.BytesIO()
    Image.fromarray(colours.round().astype(np.uint8)).save(stream, "WEBP", lossless=True, quality=100, exact=True)
    return f"data:image/webp;base64,{base64.b64encode(stream.getvalue()).decode('ascii')}"
