"""The report: whole, self-contained, inert, and the same file's every time."""

from __future__ import annotations

import dataclasses
import re

import pytest

from attribution.evidence import Evidence, Media, Opinion, Unusable, document, read_document
from attribution.ui import opinion_text, text
from attribution.views.report import report_html
from samples import (
    GENERATED,
    HOSTILE,
    INCONCLUSIVE,
    MANIPULATED,
    NONE_FOUND,
    REFUSED,
    SPECIALIST,
    Markup,
    clip,
    grid,
    heatmap,
    is_inert,
    noise,
    opinion,
    picture,
    track,
)


def everything() -> str:
    outcomes = [picture(MANIPULATED, NONE_FOUND), clip(), Unusable("song.mp3", "This is no picture and no clip."), picture()]
    return report_html(outcomes, {(0, 0): heatmap(), (1, 1): heatmap("real")}, {0: noise(100, 200)})


def test_a_report_is_one_whole_document() -> None:
    page = Markup(everything().removeprefix("<!doctype html>"))
    assert page.problem == ""
    assert page.of("html")[0]["lang"] == "en"
    assert {"utf-8"} == {meta["charset"] for meta in page.of("meta") if "charset" in meta}


def test_a_report_needs_nothing_and_does_nothing() -> None:
    report = everything()
    assert is_inert(report)
    assert not re.search(r"url\(|@import|https?://", report)


def test_a_report_has_all_that_custody_needs() -> None:
    evidence = picture(MANIPULATED)
    words = Markup(report_html([evidence])).words
    for value in (
        evidence.media.sha256,
        "61,306 bytes",
        evidence.detector.name,
        evidence.detector.weights_sha256,
        "torch 2.9",
        "device cpu",
        evidence.created_utc,
        "Landmark face swap",
        *evidence.verdict.reasons,
        *evidence.detector.limits,
        *evidence.detector.display_names,
    ):
        assert value in words, value


def test_every_outcome_is_there_in_order() -> None:
    words = Markup(everything()).words
    places = [words.index(name) for name in ("photo.jpg", "clip.mp4", "song.mp3")]
    assert places == sorted(places)
    assert "This is no picture and no clip." in words
    assert "No face was found." in words


def test_pixels_are_shown_where_there_are_any() -> None:
    with_pixels = Markup(report_html([picture(MANIPULATED)], {(0, 0): heatmap()}, {0: noise(50, 100)})).of("img")
    assert len(with_pixels) == 3, "the whole picture, the crop and its heatmap"
    assert all(image["src"].startswith("data:image/") for image in with_pixels)
    (read_back,) = read_document(document([picture(MANIPULATED)]))
    assert not Markup(report_html([read_back], {(0, 0): heatmap()})).of("img")


def test_a_heatmap_comes_with_its_faithfulness() -> None:
    words = Markup(report_html([picture(MANIPULATED)], {(0, 0): heatmap()})).words
    assert text.HEATMAP_WARNING in words
    assert text.FAITHFUL["yes"] in words


def test_a_clip_has_its_timeline_and_a_picture_has_none() -> None:
    assert Markup(report_html([clip()])).of_class("tt-curves")
    assert not Markup(report_html([picture(MANIPULATED)])).of_class("tt-curves")


@pytest.mark.parametrize("outcome", [picture(MANIPULATED), picture(NONE_FOUND), picture(INCONCLUSIVE), picture()])
def test_no_report_calls_a_face_real(outcome: Evidence) -> None:
    assert not re.search(r"\b(real|authentic|genuine|fake)\b", Markup(report_html([outcome])).words, re.IGNORECASE)


def test_hostile_names_stay_names() -> None:
    media = Media(HOSTILE, "ab" * 32, 10, "picture", 400, 200, None, 1, 1, HOSTILE, (HOSTILE,))
    evidence = picture(MANIPULATED, media=media)
    report = report_html([evidence, Unusable(HOSTILE, HOSTILE)], None, {0: noise(20, 40)})
    assert is_inert(report)
    assert Markup(report.removeprefix("<!doctype html>")).problem == ""
    assert HOSTILE in Markup(report).words


def test_ids_are_given_once() -> None:
    ids = re.findall(r'\bid="([^"]+)"', everything())
    assert len(ids) == len(set(ids))


def test_every_link_leads_somewhere() -> None:
    page = Markup(everything())
    ids = {attributes["id"] for _, attributes in page.tags if "id" in attributes}
    assert {link["href"].removeprefix("#") for link in page.of("a")} <= ids


def test_the_same_evidence_gives_the_same_report() -> None:
    assert everything() == everything()


def test_a_report_on_nothing_is_a_report() -> None:
    assert text.REPORT_TITLE in report_html([])


def test_tracks_without_a_placement_have_no_table_of_neighbours() -> None:
    evidence = picture(MANIPULATED)
    bare = dataclasses.replace(evidence, tracks=(dataclasses.replace(evidence.tracks[0], placement=None),))
    assert text.NEIGHBOURS_TITLE not in report_html([bare])


def test_a_second_opinion_stands_under_its_face_with_heatmap_and_patches() -> None:
    given, refused = opinion(patches=grid("s.", "..", side_px=60)), Opinion(SPECIALIST, REFUSED)
    evidence = picture(GENERATED, tracks=(track(0, GENERATED, opinions=(given,)), track(1, MANIPULATED, opinions=(refused,))))
    report = report_html([evidence], None, {0: noise(50, 100)}, {(0, 0, 0): heatmap("stylegan2")})
    page = Markup(report.removeprefix("<!doctype html>"))
    assert page.problem == ""
    assert is_inert(report)
    assert not re.search(r"url\(|@import|https?://", report)
    assert page.words.count("carries the evidence") == 1
    assert len(page.of_class("tt-mosaic")) == len(page.of("image")) == 1
    assert page.words.index(opinion_text.AGREEMENT["same method"]) < page.words.index("so it was not asked")
    (read_back,) = read_document(document([evidence]))
    assert "1 of 4 patches" in Markup(report_html([read_back])).words, "without pixels the patches stand alone"
