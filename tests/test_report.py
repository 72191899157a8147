"""The report: whole, self-contained, inert, and the same file's every time."""

from __future__ import annotations

import dataclasses
import re

import pytest

from attribution.detectors.card import MeasuredTable
from attribution.evidence import Evidence, Media, Opinion, Unusable, document, read_document
from attribution.render.report import report_html
from attribution.text import areas as area_text
from attribution.text import opinions as opinion_text
from attribution.text import page as text
from samples import (
    DETECTOR,
    GENERATED,
    HOSTILE,
    INCONCLUSIVE,
    MANIPULATED,
    NONE_FOUND,
    REFUSED,
    REFUSED_SWAP,
    SPECIALIST,
    SWAPS,
    Markup,
    artifact,
    clip,
    disputed,
    grid,
    heatmap,
    is_inert,
    noise,
    opinion,
    picture,
    swap_opinion,
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


def measured(sha256: str, heatmap_hits: float = 0.6) -> dict[str, tuple[MeasuredTable, ...]]:
    rows = [("partial swaps", "heatmap", heatmap_hits), ("partial swaps", "boxes", 0.74), ("partial swaps", "crop centre", 0.38)]
    return {sha256: (MeasuredTable("Localisation", ("cases", "by", "hits"), tuple(rows)),)}


def test_what_was_measured_stands_beside_heatmap_and_areas_of_each_detector() -> None:
    whole = track(0, MANIPULATED, opinions=(swap_opinion(),), artifacts=(artifact(0.2, 0.6, 0.8, 0.9),))
    evidence = picture(verdict=MANIPULATED, tracks=(whole,))
    tables = {**measured(DETECTOR.weights_sha256, 0.33), **measured(SWAPS.weights_sha256)}
    report = report_html([evidence], {(0, 0): heatmap()}, {0: noise(100, 200)}, {(0, 0, 0): heatmap("swapped")}, tables)
    page = Markup(report.removeprefix("<!doctype html>"))
    assert page.problem == ""
    assert is_inert(report)
    for said in (
        "Heatmaps of this kind hit the true area in 33 of 100 known cases",
        "Heatmaps of this kind hit the true area in 60 of 100 known cases",
        "Boxes of this kind hit the true area in 74 of 100 known cases",
        "Area 1, at the bottom of the face: 90 %",
    ):
        assert page.words.count(said) == 1, said
    assert len(page.of_class("tt-areas-of")) == 1, "on the whole picture"
    assert len(page.of_class("tt-marked-crop")) == 1, "and on the face"
    assert len(page.of_class("tt-area")) == 2


def test_areas_of_the_chosen_detector_stand_with_its_own_heatmap() -> None:
    whole = track(0, MANIPULATED, artifacts=(artifact(0.2, 0.6, 0.8, 0.9, detector=DETECTOR.name),))
    page = Markup(report_html([picture(verdict=MANIPULATED, tracks=(whole,))], {(0, 0): heatmap()}).removeprefix("<!doctype html>"))
    assert page.words.index("test-net marks one area") < page.words.index(text.FAITHFUL_TITLE)
    assert area_text.HITS_IN_CARD in page.words


def test_areas_survive_without_pixels_as_a_list() -> None:
    whole = track(0, MANIPULATED, opinions=(swap_opinion(),), artifacts=(artifact(0.2, 0.6, 0.8, 0.9),))
    (read_back,) = read_document(document([picture(verdict=MANIPULATED, tracks=(whole,))]))
    report = report_html([read_back])
    assert "Area 1, at the bottom of the face: 90 %" in Markup(report).words
    assert not Markup(report).of("img")


def test_an_overturned_verdict_is_explained_where_it_stands_and_at_the_opinion() -> None:
    whole = disputed()
    report = report_html([picture(verdict=whole.verdict, tracks=(whole,))])
    words = Markup(report).words
    assert words.count(opinion_text.CONTRADICTED) == 2
    assert words.index(opinion_text.CONTRADICTED) < words.index("Face 1")
    assert "What to do next" in words
    assert is_inert(report)
    ids = {attributes["id"] for _, attributes in Markup(report).tags if "id" in attributes}
    assert {link["href"].removeprefix("#") for link in Markup(report).of("a")} <= ids


def test_who_was_not_asked_has_a_line_after_who_was() -> None:
    whole = track(0, GENERATED, opinions=(Opinion(SWAPS, REFUSED_SWAP), opinion()))
    words = Markup(report_html([picture(verdict=GENERATED, tracks=(whole,))])).words
    assert words.index("Which generator drew it?") < words.index(opinion_text.NOT_ASKED) < words.index("so it was not asked")
    assert "swapped or pasted?" not in words
