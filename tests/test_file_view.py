"""The file on the page: picture or clip, faces to choose, timeline; and what a record of the examination needs."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

import samples as s
from attribution.evidence import Media, Moment
from attribution.messages import reading_in
from attribution.render import file as view
from attribution.text import areas as area_text
from attribution.text import page as text
from samples import Markup, said

URI = "data:image/jpeg;base64,AA"


def test_every_face_is_a_button_on_the_picture() -> None:
    stage = view.picture_stage(s.picture(s.MANIPULATED, s.NONE_FOUND), URI, 1)
    assert said(stage)
    buttons = Markup(stage).of("button")
    assert [(one["data-face"], one["aria-pressed"]) for one in buttons] == [("0", "false"), ("1", "true")]
    assert buttons[0]["aria-label"] == "Face 1: Manipulated"
    assert buttons[0]["style"] == "left:10.00%;top:15.00%;width:20.00%;height:40.00%"
    beyond = s.picture(verdict=s.MANIPULATED, tracks=(s.track(box=(-50.0, -10.0, 600.0, 900.0)),))
    assert Markup(view.picture_stage(beyond, URI, 0)).of("button")[0]["style"] == "left:0.00%;top:0.00%;width:100.00%;height:100.00%"


def test_marked_areas_lie_over_the_face_they_belong_to_and_can_be_switched_off() -> None:
    first = s.track(0, s.MANIPULATED, artifacts=(s.artifact(0.2, 0.6, 0.8, 0.9), s.artifact(0.0, 0.0, 0.3, 0.3, 0.6)))
    evidence = s.picture(verdict=s.MANIPULATED, tracks=(first, s.picture(s.MANIPULATED, s.NONE_FOUND).tracks[1]))
    stage = view.picture_stage(evidence, URI, 0)
    assert area_text.SHOW in said(stage)
    (layer,) = Markup(stage).of_class("tt-areas-of")
    assert layer["data-of"] == "0"
    assert "hidden" not in layer
    assert "hidden" in Markup(view.picture_stage(evidence, URI, 1)).of_class("tt-areas-of")[0]
    assert len(Markup(stage).of_class("tt-area")) == 2
    labels = [button["aria-label"] for button in Markup(stage).of("button")]
    assert labels == ["Face 1: Manipulated; marked areas: 2", "Face 2: No manipulation found"]
    assert area_text.SHOW not in view.picture_stage(s.picture(s.MANIPULATED), URI, 0)


def test_what_a_picture_shows_of_a_crowd_of_nobody_and_of_a_whole_picture() -> None:
    empty = view.picture_stage(s.picture(), URI, 0)
    assert text.NO_FACE in said(empty)
    assert not Markup(empty).of("button")
    assert "The 2 largest of 40 faces were examined." in view.picture_stage(s.picture(s.MANIPULATED, s.NONE_FOUND, faces_found=40), URI, 0)
    all_of_it = view.picture_stage(s.judged(s.whole()), URI, 0)
    assert text.WHOLE_HINT in said(all_of_it)
    assert not Markup(all_of_it).of_class("tt-box")
    assert not Markup(all_of_it).of_class("tt-judged")
    part = view.picture_stage(s.judged(s.whole(crop_box=(100.0, 0.0, 300.0, 200.0))), URI, 0)
    assert text.WHOLE_HINT_PART in said(part)
    assert Markup(part).of_class("tt-judged")[0]["style"] == "left:25.00%;top:0.00%;width:50.00%;height:100.00%"
    assert view.title(s.judged(s.whole())) == text.WHOLE_TITLES["picture"]
    assert view.title(s.picture(s.MANIPULATED)) == text.FACES_TITLE


def test_faces_are_a_radio_group_with_one_stop_for_the_keyboard() -> None:
    choices = view.face_choices(s.picture(s.MANIPULATED, s.NONE_FOUND, s.INCONCLUSIVE), [URI, None, URI], 2)
    assert all(state in said(choices) for state in text.STATES.values())
    page = Markup(choices)
    radios = [(radio["data-face"], radio["role"], radio["tabindex"], radio["aria-checked"]) for radio in page.of("button")]
    assert radios == [("0", "radio", "-1", "false"), ("2", "radio", "0", "true"), ("1", "radio", "-1", "false")], "worst first"
    assert page.of_class("tt-choices")[0]["aria-label"] == text.CHOOSE_FACE
    assert len(page.of("img")) == 2
    assert view.face_choices(s.picture(s.MANIPULATED), [URI], 0) == "", "one face needs no choice"


def test_a_clip_has_a_player_where_browsers_have_one_and_its_frames_in_any_case() -> None:
    stage = view.clip_stage(s.clip(), [(0.0, URI), (0.25, URI)], "gradio_api/file=/tmp/x/file.mp4", 0)
    assert text.PLAYER_MISSING not in said(stage)
    page = Markup(stage)
    assert page.of("video")[0]["src"] == "gradio_api/file=/tmp/x/file.mp4"
    assert [frame["data-seconds"] for frame in page.of_class("tt-frame")] == ["0.000", "0.250"]
    assert not page.of_class("tt-framewise")
    framewise = Markup(view.clip_stage(s.clip("matroska (hevc)"), [(0.0, URI)], None, 0))
    assert not framewise.of("video")
    assert framewise.of_class("tt-framewise")
    assert text.PLAYER_MISSING in framewise.words


def test_the_timeline_is_a_slider_for_the_keyboard_and_the_script_gets_its_data() -> None:
    evidence = s.clip()
    marked = replace(evidence.tracks[0], artifacts=(s.artifact(0.2, 0.6, 0.8, 0.9, seconds=3.5),))
    stage = view.clip_stage(replace(evidence, tracks=(marked, evidence.tracks[1])), [], None, 1)
    assert text.TIMELINE_HINT in said(stage)
    page = Markup(stage)
    (slider,) = [attributes for _, attributes in page.tags if attributes.get("role") == "slider"]
    assert (slider["tabindex"], slider["aria-valuemin"], slider["aria-valuemax"], slider["data-chosen"]) == ("0", "0", "8.0", "1")
    assert page.of_class("tt-areas-of")[0]["data-seconds"] == "3.500"
    data = json.loads(page.of_class("tt-clip")[0]["data-clip"])
    assert data["duration"] == 8.0
    first, second = data["tracks"]
    assert len(first["seconds"]) == len(first["p"]) == len(first["at"]) == len(first["boxes"]) == 32
    assert first["boxes"][0] == [0.1, 0.15, 0.3, 0.55]
    assert 3 <= first["start"] <= 5
    assert second["p"][0] == "10 %", "in the words of the server"
    with reading_in("de"):
        german = json.loads(Markup(view.clip_stage(evidence, [], None, 1)).of_class("tt-clip")[0]["data-clip"])
    assert german["tracks"][1]["p"][0] == "10\xa0%", "and in the language of the reader"


@pytest.mark.parametrize(("verdicts", "duration"), [((), 3.0), ((s.MANIPULATED,), None)], ids=["no face", "no length"])
def test_a_clip_without_faces_or_length_has_no_timeline(verdicts: tuple, duration: float | None) -> None:
    media = Media("clip.mp4", "ab" * 32, 10, "clip", 400, 200, duration, 5, 5, "mp4 (h264)")
    stage = view.clip_stage(s.picture(*verdicts, media=media), [(0.0, URI)], None, 0)
    assert (text.NO_FACE in said(stage)) == (not verdicts)
    assert not Markup(stage).of_class("tt-timeline")


def test_the_stage_of_a_whole_clip_follows_no_face() -> None:
    moments = tuple(Moment(0.25 * i, 0.9) for i in range(4))
    evidence = replace(s.clip(), detector=s.FOREIGN, verdict=s.FOUND, tracks=(s.whole(timeline=moments, faces=4),))
    page = Markup(view.clip_stage(evidence, [(0.0, URI)], None, 0))
    assert not page.of_class("tt-follow")
    assert page.of_class("tt-timeline")
    assert view.title(evidence) == text.WHOLE_TITLES["clip"]


def test_custody_names_file_detectors_settings_versions_and_time() -> None:
    words = said(view.provenance(s.clip()))
    for part in (
        *("clip.mp4", "fedcba9876543210" * 4, "1.2 MB (1,200,000 bytes)", "mp4 (h264)", "400 × 200 px", "8.0 s", "32 of 64", "ab" * 32),
        *("CC0-1.0", "crop: scale0.86", "torch2.9", "2026-01-02T03:04:05+00:00", "32 of 64 frames."),
    ):
        assert part in words, part
    assert text.MEASURE_NAMES["second"] not in words
    page = Markup(view.provenance(s.clip()))
    assert len(page.of("dt")) == 5, "file, its hash, detector, hash of its weights, time"
    assert "open" not in page.of("details")[0], "all else is folded"
    assert {head["scope"] for head in page.of("th")} == {"row", "rowgroup"}
    rows = dict(view._rows({"device": "cpu", "crop": {"scale": 0.86, "short_px": None}, "beside": {"x": {"mirrored": True}}}))
    assert rows == {"device": "cpu", "crop: scale": "0.86", "crop: short_px": "null", "beside: x: mirrored": "true"}
    words = said(view.provenance(s.judged(s.whole())))
    assert all(part in words for part in (f"acme/eye@{s.COMMIT}", "cd" * 32, "timm", "mit"))
    words = said(view.provenance(s.picture(s.MANIPULATED, tracks=(s.track(0, s.MANIPULATED, opinions=(s.foreign_opinion(),)),))))
    assert all(part in words for part in (text.MEASURE_NAMES["second"], f"acme/eye@{s.COMMIT}", "cd" * 32, "ab" * 32))


def test_custody_names_all_that_gave_a_common_answer_and_the_timeline_has_its_threshold() -> None:
    rows = Markup(view.provenance(s.picture(s.MANIPULATED, tracks=(s.answered_together(),))))
    assert "test-net, telltale-swap" in rows.words
    assert f"{'ab' * 32}, {'ef' * 32}" in rows.words
    rule = {"experts": ["telltale-swap"], "thresholds": {"p_manipulated_above": 0.55}}
    settings = s.clip().settings
    assert view._threshold(s.clip()) == view._threshold(replace(s.clip(), settings={**settings, "combination": {}})) == 0.8
    assert view._threshold(replace(s.clip(), settings={**settings, "combination": rule})) == 0.55


def test_a_file_name_stays_a_name() -> None:
    for name in ("a\nb.jpg", "$(id).png", '"><b>.png'):
        stage, address = view.picture_stage(s.picture(s.MANIPULATED, name=name), URI, 0), f"gradio_api/file={name}"
        assert said(stage)
        assert Markup(stage).of("img")[0]["alt"] == name
        assert Markup(view.clip_stage(s.clip(), [], address, 0)).of("video")[0]["src"] == address
