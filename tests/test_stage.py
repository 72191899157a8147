"""The file on the page: picture or clip, faces to choose, timeline."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest

from attribution.evidence import Media
from attribution.render.file import clip_stage, face_choices, picture_stage
from attribution.text import areas as area_text
from attribution.text import page as text
from samples import HOSTILE, INCONCLUSIVE, MANIPULATED, NONE_FOUND, Markup, artifact, clip, is_inert, picture, track

URI = "data:image/jpeg;base64,AA"


def test_every_face_is_a_button_on_the_picture() -> None:
    page = Markup(picture_stage(picture(MANIPULATED, NONE_FOUND), URI, 1))
    assert page.problem == ""
    buttons = page.of("button")
    assert [button["data-face"] for button in buttons] == ["0", "1"]
    assert [button["aria-pressed"] for button in buttons] == ["false", "true"]
    assert buttons[0]["aria-label"] == "Face 1: Manipulated"
    assert buttons[0]["style"] == "left:10.00%;top:15.00%;width:20.00%;height:40.00%"


def test_a_box_beyond_the_picture_is_cut_off_at_its_edge() -> None:
    evidence = picture(verdict=MANIPULATED, tracks=(track(box=(-50.0, -10.0, 600.0, 900.0)),))
    assert Markup(picture_stage(evidence, URI, 0)).of("button")[0]["style"] == "left:0.00%;top:0.00%;width:100.00%;height:100.00%"


def test_marked_areas_lie_over_the_face_they_belong_to_and_can_be_switched_off() -> None:
    evidence = picture(MANIPULATED, NONE_FOUND)
    first = track(0, MANIPULATED, artifacts=(artifact(0.2, 0.6, 0.8, 0.9), artifact(0.0, 0.0, 0.3, 0.3, 0.6)))
    page = Markup(picture_stage(picture(verdict=MANIPULATED, tracks=(first, evidence.tracks[1])), URI, 0))
    assert page.problem == ""
    (layer,) = page.of_class("tt-areas-of")
    assert layer["data-of"] == "0"
    assert "hidden" not in layer
    assert len(page.of_class("tt-area")) == 2
    assert [button["aria-label"] for button in page.of("button")] == [
        "Face 1: Manipulated; marked areas: 2",
        "Face 2: No manipulation found",
    ]
    assert area_text.SHOW in page.words
    assert (
        "hidden"
        in Markup(picture_stage(picture(verdict=MANIPULATED, tracks=(first, evidence.tracks[1])), URI, 1)).of_class("tt-areas-of")[0]
    )
    assert area_text.SHOW not in picture_stage(evidence, URI, 0)


def test_marked_areas_of_a_clip_say_to_which_moment_they_belong() -> None:
    evidence = clip()
    first = replace(evidence.tracks[0], artifacts=(artifact(0.2, 0.6, 0.8, 0.9, seconds=3.5),))
    page = Markup(clip_stage(replace(evidence, tracks=(first, evidence.tracks[1])), [], None, 0))
    assert page.problem == ""
    assert page.of_class("tt-areas-of")[0]["data-seconds"] == "3.500"


def test_a_picture_without_faces_says_so() -> None:
    page = Markup(picture_stage(picture(), URI, 0))
    assert text.NO_FACE in page.words
    assert not page.of("button")


def test_a_crowd_says_how_many_were_left_out() -> None:
    assert "The 2 largest of 40 faces were examined." in picture_stage(picture(MANIPULATED, NONE_FOUND, faces_found=40), URI, 0)


def test_faces_are_a_radio_group_with_one_stop_for_the_keyboard() -> None:
    page = Markup(face_choices(picture(MANIPULATED, NONE_FOUND, INCONCLUSIVE), [URI, None, URI], 2))
    assert page.problem == ""
    radios = [button for button in page.of("button") if button["role"] == "radio"]
    assert [radio["tabindex"] for radio in radios] == ["-1", "-1", "0"]
    assert [radio["aria-checked"] for radio in radios] == ["false", "false", "true"]
    assert page.of_class("tt-choices")[0]["aria-label"] == text.CHOOSE_FACE
    assert all(state in page.words for state in text.STATES.values())
    assert len(page.of("img")) == 2


def test_one_face_needs_no_choice() -> None:
    assert face_choices(picture(MANIPULATED), [URI], 0) == ""


def test_a_playable_clip_has_a_player_and_its_frames_in_reserve() -> None:
    page = Markup(clip_stage(clip(), [(0.0, URI), (0.25, URI)], "gradio_api/file=/tmp/x/file.mp4", 0))
    assert page.problem == ""
    assert page.of("video")[0]["src"] == "gradio_api/file=/tmp/x/file.mp4"
    assert [frame["data-seconds"] for frame in page.of_class("tt-frame")] == ["0.000", "0.250"]
    assert not page.of_class("tt-framewise")
    assert text.PLAYER_MISSING not in page.words


def test_a_clip_that_browsers_cannot_play_is_shown_frame_by_frame() -> None:
    page = Markup(clip_stage(clip("matroska (hevc)"), [(0.0, URI)], None, 0))
    assert not page.of("video")
    assert page.of_class("tt-framewise")
    assert text.PLAYER_MISSING in page.words


def test_the_timeline_is_a_slider_for_the_keyboard() -> None:
    page = Markup(clip_stage(clip(), [], None, 1))
    (slider,) = [attributes for _, attributes in page.tags if attributes.get("role") == "slider"]
    assert (slider["tabindex"], slider["aria-valuemin"], slider["aria-valuemax"], slider["data-chosen"]) == ("0", "0", "8.0", "1")
    assert text.TIMELINE_HINT in page.words


def test_the_script_gets_times_boxes_and_the_moment_to_start_at() -> None:
    page = Markup(clip_stage(clip(), [], None, 0))
    data = json.loads(page.of_class("tt-clip")[0]["data-clip"])
    assert data["duration"] == 8.0
    first, second = data["tracks"]
    assert len(first["seconds"]) == len(first["p"]) == len(first["at"]) == len(first["boxes"]) == 32
    assert first["boxes"][0] == [0.1, 0.15, 0.3, 0.55]
    assert 3 <= first["start"] <= 5
    assert second["p"][0] == "10 %"


def test_a_clip_without_faces_has_no_timeline() -> None:
    media = Media("clip.mp4", "ab" * 32, 10, "clip", 40, 20, 3.0, 5, 5, "mp4 (h264)")
    page = Markup(clip_stage(picture(media=media), [(0.0, URI)], None, 0))
    assert page.problem == ""
    assert not page.of_class("tt-timeline")
    assert text.NO_FACE in page.words


def test_a_clip_of_one_moment_and_no_length_has_no_timeline() -> None:
    media = Media("clip.mp4", "ab" * 32, 10, "clip", 400, 200, None, 1, 1, "mp4 (h264)")
    assert not Markup(clip_stage(picture(MANIPULATED, media=media), [], None, 0)).of_class("tt-timeline")


@pytest.mark.parametrize("name", [HOSTILE, "a\nb.jpg", "$(id).png"])
def test_a_file_name_stays_a_name(name: str) -> None:
    markup = picture_stage(picture(MANIPULATED, name=name), URI, 0)
    assert is_inert(markup)
    assert Markup(markup).of("img")[0]["alt"] == name
    video = clip_stage(clip(), [], f"gradio_api/file={name}", 0)
    assert is_inert(re.sub(r"gradio_api/file=[^\"]*", "#", video))
