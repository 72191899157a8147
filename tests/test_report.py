"""The report: whole, self-contained, inert, and the same file's every time; and hostile words in every part of page and report."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import samples as s
from attribution import messages
from attribution.detectors.card import MeasuredTable
from attribution.detectors.catalogue import Entry
from attribution.evidence import Artifact, DetectorInfo, Media, Opinion, Placement, Unusable, Verdict, document, read_document
from attribution.evidence.types import Neighbour
from attribution.render import areas, charts, detector_panel, face, file, opinion, patches
from attribution.render.report import report_html
from attribution.render.side_by_side import side_by_side
from attribution.text import areas as area_text
from attribution.text import opinions as opinion_text
from attribution.text import page as text
from pseudo import pseudo_language, untranslated
from samples import Markup, said

HITS = [("partial swaps", "heatmap", 0.6), ("partial swaps", "boxes", 0.74), ("partial swaps", "crop centre", 0.38)]


def everything() -> str:
    outcomes = [s.picture(s.MANIPULATED, s.NONE_FOUND), s.clip(), Unusable("song.mp3", "This is no picture and no clip."), s.picture()]
    return report_html(outcomes, {(0, 0): s.heatmap(), (1, 1): s.heatmap("real")}, {0: s.noise(100, 200)})


def words_of(report: str) -> str:
    return said(report.removeprefix("<!doctype html>"))


def test_a_report_is_one_whole_document_that_needs_nothing_and_does_nothing() -> None:
    report = everything()
    words = words_of(report)
    page = Markup(report)
    assert page.of("html")[0]["lang"] == "en"
    assert {meta["charset"] for meta in page.of("meta") if "charset" in meta} == {"utf-8"}
    assert not re.search(r"url\(|@import|https?://", report)
    places = [words.index(name) for name in ("photo.jpg", "clip.mp4", "song.mp3")]
    assert places == sorted(places), "every outcome is there in order"
    assert "This is no picture and no clip." in words
    assert text.NO_FACE in words
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert {link["href"].removeprefix("#") for link in page.of("a")} <= set(ids), "every link leads somewhere"
    assert everything() == report, "the same evidence gives the same report"
    assert [len(Markup(report_html([one])).of_class("tt-curves")) > 0 for one in (s.clip(), s.picture(s.MANIPULATED))] == [True, False]
    assert text.REPORT_TITLE in report_html([])


def strings(value: Any) -> set[str]:
    """Every string of a JSON document, and every key of it as settings are named."""
    if isinstance(value, dict):
        return {str(key) for key in value} | {one for item in value.values() for one in strings(item)}
    return {one for item in value for one in strings(item)} if isinstance(value, list) else {value} if isinstance(value, str) else set()


def test_every_word_of_a_report_is_a_message_or_stands_in_the_evidence(monkeypatch: pytest.MonkeyPatch) -> None:
    given, refused = s.opinion(patches=s.grid("s.", "..", side_px=60)), Opinion(s.SPECIALIST, s.REFUSED)
    marks = (s.artifact(0.2, 0.6, 0.8, 0.9),)
    outcomes = [
        *(s.picture(s.MANIPULATED, s.NONE_FOUND), s.clip(), Unusable("song.mp3", "This is no picture."), s.picture(), s.judged(s.whole())),
        s.picture(s.GENERATED, tracks=(s.track(0, s.GENERATED, opinions=(given,)), s.track(1, s.MANIPULATED, opinions=(refused,)))),
        s.picture(verdict=s.MANIPULATED, tracks=(s.track(0, opinions=(s.swap_opinion(), s.foreign_opinion()), artifacts=marks),)),
        s.picture(verdict=s.disputed().verdict, tracks=(s.disputed(),)),
    ]
    heat = {(0, 0): s.heatmap(), (1, 1): s.heatmap("real", fall_hot=0.1)}
    pictures = {0: s.noise(50, 100), 5: s.noise(50, 100)}
    with pseudo_language(monkeypatch):
        report = report_html(outcomes, heat, pictures, {(5, 0, 0): s.heatmap("stylegan2")}, {})
    assert untranslated(report, *strings(document(outcomes)), f"acme/eye@{s.COMMIT}") == []
    with messages.reading_in("ar"):
        (page,) = Markup(report_html(outcomes)).of("html")
    assert (page["lang"], page["dir"]) == ("ar", "rtl")


def test_a_heatmap_that_explains_nothing_stands_folded_behind_the_areas() -> None:
    own = s.track(0, s.MANIPULATED, artifacts=(s.artifact(0.2, 0.6, 0.8, 0.9, detector=s.DETECTOR.name),))
    evidence = s.picture(verdict=s.MANIPULATED, tracks=(own,))
    folded = []
    for fall in (3.7, 0.1):
        report = report_html([evidence], {(0, 0): s.heatmap(fall_hot=fall)})
        words = words_of(report)
        folded.append(f"<summary>{text.HEATMAP_TITLE_OF.format(method='Landmark face swap')}" in report)
        first = area_text.UNFAITHFUL if folded[-1] else text.FAITHFUL_TITLE
        assert words.index(first) < words.index(area_text.FIRST_HEADING)
    assert folded == [False, True]


def test_a_report_has_all_that_custody_needs_and_calls_no_face_real() -> None:
    evidence = s.picture(s.MANIPULATED)
    words = words_of(report_html([evidence]))
    for value in (
        *(evidence.media.sha256, "61,306 bytes", evidence.detector.name, evidence.detector.weights_sha256, evidence.created_utc),
        *("torch2.9", "devicecpu", "Landmark face swap"),
        *(*evidence.verdict.reasons, *evidence.detector.limits, *evidence.detector.display_names),
    ):
        assert value in words, value
    for outcome in (evidence, s.picture(s.NONE_FOUND), s.picture(s.INCONCLUSIVE), s.picture()):
        assert not re.search(r"\b(real|authentic|genuine|fake)\b", words_of(report_html([outcome])), re.IGNORECASE)


def test_pixels_are_shown_where_there_are_any_and_a_heatmap_comes_with_its_faithfulness() -> None:
    report = report_html([s.picture(s.MANIPULATED)], {(0, 0): s.heatmap()}, {0: s.noise(50, 100)})
    assert len(Markup(report).of("img")) == 3, "the whole picture, the crop and its heatmap"
    assert all(part in words_of(report) for part in (text.HEATMAP_WARNING, text.FAITHFUL["yes"]))
    one = s.track(0, s.MANIPULATED, opinions=(s.swap_opinion(),), artifacts=(s.artifact(0.2, 0.6, 0.8, 0.9),), placement=None)
    (read_back,) = read_document(document([s.picture(verdict=s.MANIPULATED, tracks=(one,))]))
    bare = report_html([read_back], {(0, 0): s.heatmap()})
    assert not Markup(bare).of("img")
    assert "at the bottom of the face90 %" in words_of(bare), "areas survive as a list"
    assert text.NEIGHBOURS_TITLE not in bare, "nor is there a table of neighbours without any"


def test_a_second_opinion_stands_under_its_face_with_heatmap_and_patches() -> None:
    given, refused = s.opinion(patches=s.grid("s.", "..", side_px=60)), Opinion(s.SPECIALIST, s.REFUSED)
    evidence = s.picture(s.GENERATED, tracks=(s.track(0, s.GENERATED, opinions=(given,)), s.track(1, s.MANIPULATED, opinions=(refused,))))
    report = report_html([evidence], None, {0: s.noise(50, 100)}, {(0, 0, 0): s.heatmap("stylegan2")})
    words = words_of(report)
    assert words.count("carries the evidence") == 1
    assert len(Markup(report).of_class("tt-mosaic")) == len(Markup(report).of("image")) == 1
    assert words.index(opinion_text.AGREEMENT["same method"]) < words.index("so it was not asked")
    (read_back,) = read_document(document([evidence]))
    assert "1 of 4 patches" in words_of(report_html([read_back])), "without pixels the patches stand alone"
    both = s.track(0, s.GENERATED, opinions=(Opinion(s.SWAPS, s.REFUSED_SWAP), s.opinion()))
    words = words_of(report_html([s.picture(verdict=s.GENERATED, tracks=(both,))]))
    assert words.index("Which generator drew it?") < words.index(opinion_text.NOT_ASKED) < words.index("so it was not asked")
    assert "swapped or pasted?" not in words


def test_what_was_measured_stands_beside_heatmap_and_areas_of_each_detector() -> None:
    marks = (s.artifact(0.2, 0.6, 0.8, 0.9),)
    evidence = s.picture(verdict=s.MANIPULATED, tracks=(s.track(0, s.MANIPULATED, opinions=(s.swap_opinion(),), artifacts=marks),))
    tables = {
        one.weights_sha256: (MeasuredTable("Localisation", ("cases", "by", "hits"), (("partial swaps", "heatmap", hits), *HITS[1:])),)
        for one, hits in ((s.DETECTOR, 0.33), (s.SWAPS, 0.6))
    }
    report = report_html([evidence], {(0, 0): s.heatmap()}, {0: s.noise(100, 200)}, {(0, 0, 0): s.heatmap("swapped")}, tables)
    words, page = words_of(report), Markup(report)
    for part in (
        "Heatmaps like it hit the true area in 33 of 100 known cases",
        "Heatmaps like it hit the true area in 60 of 100 known cases",
        "Boxes like these hit the true area in 74 of 100 known cases",
        "at the bottom of the face90 %",
    ):
        assert words.count(part) == 1, part
    assert len(page.of_class("tt-areas-of")) == 1, "on the whole picture"
    assert len(page.of_class("tt-marked-crop")) == 1, "and on the face"
    own = s.track(0, s.MANIPULATED, artifacts=(s.artifact(0.2, 0.6, 0.8, 0.9, detector=s.DETECTOR.name),))
    words = words_of(report_html([s.picture(verdict=s.MANIPULATED, tracks=(own,))], {(0, 0): s.heatmap()}))
    assert words.index(text.FAITHFUL_TITLE) < words.index("test-net marks 1 area")
    assert area_text.HITS_IN_CARD in words


def test_an_overturned_verdict_is_explained_where_it_stands_and_at_the_opinion() -> None:
    one = s.disputed()
    words = words_of(report_html([s.picture(verdict=one.verdict, tracks=(one,))]))
    assert words.count(opinion_text.CONTRADICTED) == 2
    assert words.index(opinion_text.CONTRADICTED) < words.index("Face 1")
    assert opinion_text.NEXT_TITLE in words


def test_whole_pictures_and_strangers_are_shown_as_what_they_are() -> None:
    words = words_of(report_html([s.judged(s.whole())], {(0, 0): replace(s.heatmap(), label="fake")}, {0: s.noise(200, 400)}))
    for part in (text.WHOLE_TITLES["picture"], text.WHOLE["picture"], text.NO_REFERENCES, text.UNMEASURED_TITLE, s.COMMIT):
        assert part in words
    assert "Face 1" not in words
    assert text.LIMITS_TITLE not in words


def test_a_heatmap_lies_over_what_that_detector_saw() -> None:
    own = replace(s.face(), crop=np.full((32, 32, 3), 250, dtype=np.uint8))
    heat = {(0, 0, 0): replace(s.heatmap(), label="fake")}
    drawn = []
    for seen in (own, None):
        evidence = s.picture(s.MANIPULATED, tracks=(s.track(0, s.MANIPULATED, opinions=(s.foreign_opinion(face=seen),)),))
        report = report_html([evidence], opinion_heatmaps=heat)
        assert all(part in words_of(report) for part in (f"acme/eye@{s.COMMIT}", "cd" * 32))
        drawn += re.findall(r'<div class="heat"><img src="([^"]+)"', report)
    assert len(set(drawn)) == 2


def hostile() -> tuple[Mapping[str, str], str]:
    """Every part of the page by name, and the report, of evidence in which every word is hostile."""
    detector = DetectorInfo(
        s.HOSTILE, "ab" * 32, ("real", "x"), ("real", "gan"), (s.HOSTILE, s.HOSTILE), s.HOSTILE, (s.HOSTILE,), s.HOSTILE, measured=False
    )
    found, none = Verdict("manipulated", "x", "gan", 0.9, (s.HOSTILE,)), Verdict("inconclusive", None, None, None, (s.HOSTILE,))
    placement = Placement(0, 0, (Neighbour(0, s.HOSTILE, s.HOSTILE, 0.1),), 0.5)
    shares: dict[str, Any] = {"p_methods": {"real": 0.1, "x": 0.9}, "p_families": {"real": 0.1, "gan": 0.9}}
    boxes = s.grid("s.", "..")
    seen = replace(boxes, labels=("real", "x", s.HOSTILE))
    given = s.opinion(found, "differs", detector=detector, architecture=s.HOSTILE, placement=placement, patches=None, **shares)
    overturns = replace(given, overturns=s.HOSTILE)
    refused = Opinion(detector, s.HOSTILE)
    mark = Artifact((50.0, 40.0, 90.0, 80.0), 0.9, s.HOSTILE, 0.0)
    one = s.track(0, none, opinions=(overturns, given, refused), artifacts=(mark,), placement=placement, **shares)
    media = Media(s.HOSTILE, "ab" * 32, 10, "picture", 400, 200, None, 1, 1, s.HOSTILE, (s.HOSTILE,))
    more = {"settings": {s.HOSTILE: s.HOSTILE}, "versions": {s.HOSTILE: s.HOSTILE}, "detector": detector, "media": media}
    evidence = s.picture(verdict=none, tracks=(one, replace(one, verdict=found, opinions=())), **more)
    tables = [
        MeasuredTable(s.HOSTILE, (s.HOSTILE,), ((s.HOSTILE,),), s.HOSTILE),
        MeasuredTable("Localisation", ("cases", "by", "hits"), ()),
    ]
    note, _ = opinion.verdict_note(evidence, link=True)
    entry = Entry(s.HOSTILE, s.HOSTILE, "cached", s.HOSTILE, (s.HOSTILE,), s.HOSTILE, s.HOSTILE, 3)
    file_of_hub: Any = SimpleNamespace(name=s.HOSTILE, bytes=1)
    looked = detector_panel.Looked(replace(entry, kind="known", name=f"hf:{s.HOSTILE}@x"), s.HOSTILE, (file_of_hub,))
    slot = detector_panel.Slot(looked.entry.name, s.HOSTILE, asked=(s.HOSTILE,), meanings={s.HOSTILE: "real"})
    heat = replace(s.heatmap(), label="x")
    three = replace(detector, labels=("real", "x", s.HOSTILE), families=("real", "gan", "gan"), display_names=(s.HOSTILE,) * 3)
    parts = {
        "banner": face.verdict_banner(evidence, "", note),
        "card": face.face_card(one, 1, detector),
        "neighbours": face.neighbours(placement, detector),
        "measured": face.measured(tables, detector),
        "heatmap": areas.heatmap_words(heat, detector, tables),
        "areas": areas.panel(one, 1, s.HOSTILE, "", tables, None),
        "no areas": areas.nothing_marked(s.HOSTILE, ""),
        "custody": file.provenance(evidence),
        "stage": file.picture_stage(evidence, "data:image/png;base64,AA", 0),
        "beside": opinion.beside(one),
        "agreement": opinion.agreement(one, given, detector),
        "dispute": opinion.agreement(one, overturns, detector),
        "side by side": side_by_side(replace(one, opinions=(replace(given, asked_for=True),)), detector, s.HOSTILE),
        "answer": opinion.answer(one, given, detector),
        "refusal": opinion.answer(one, refused, detector),
        "heading": opinion.heading(one, 1, detector),
        "choices": opinion.choices(one, 1),
        "others": opinion.others(one, 0),
        "bars": charts.method_bars(shares["p_methods"], detector),
        "patches": patches.mosaic(seen, three, (0, 0, 9, 9), 40, 40, None),
        "panel": detector_panel.panel((entry, replace(entry, refused=s.HOSTILE)), (looked,), {"first": slot, "beside": slot}, s.HOSTILE),
        "line": detector_panel.line(s.HOSTILE, False),
        "progress": detector_panel.progress(s.HOSTILE, 0.5, s.HOSTILE),
    }  # fmt: skip
    report = report_html(
        [evidence, Unusable(s.HOSTILE, s.HOSTILE)], {(0, 1): heat}, {0: s.noise(20, 40)}, {(0, 0, 1): heat}, {"ab" * 32: tables}
    )
    return parts, report


def test_hostile_words_stay_words_in_every_part_and_none_is_escaped_twice() -> None:
    parts, report = hostile()
    for name, markup in {**parts, "report": report.removeprefix("<!doctype html>")}.items():
        page = Markup(markup)
        assert page.problem == "", name
        assert s.is_inert(markup), name
        shown = page.words + "".join(value for _, attributes in page.tags for value in attributes.values())
        assert s.HOSTILE in shown, name
        assert "&lt;" not in shown and "&amp;amp;" not in shown, name  # noqa: PT018
    assert not re.search(r"url\(", report)
