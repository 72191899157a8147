"""The page's events before the real pipeline with a detector of random weights: results, refusals, leavers, and strange requests."""

from __future__ import annotations

import asyncio
import base64
import dataclasses
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import av
import gradio as gr
import numpy as np
import pytest
from PIL import Image

from attribution.detectors.card import ArtifactRule
from attribution.detectors.loading import DEFAULT_DETECTOR
from attribution.evidence import Evidence, read_document
from attribution.measured.study import ABSENT, UNREADABLE
from attribution.models.backbones import CADDM
from attribution.text import areas as area_text
from attribution.text import limits as limits_text
from attribution.text import opinions as opinion_text
from attribution.text import page as text
from attribution.web.engine import Engine
from attribution.web.events import Events, Example
from attribution.web.opinion import OpinionParts
from attribution.web.results import FaceParts, FileParts
from attribution.web.uploads import Uploads
from conftest import SURE, SWAP_LABELS, SWAP_SIDE_PX, write_detector
from conftest import Uploads as Shelves
from limits_samples import write_study
from samples import HOSTILE, Markup, is_inert
from zeroshot_tables import write_zeroshot

PORTRAIT = Path(__file__).resolve().parent.parent / "examples" / "astronaut.png"


class Visitor:
    """One open page."""

    def __init__(self, events: Events, name: str = "page") -> None:
        self.events = events
        self.request: Any = SimpleNamespace(session_hash=name)

    def give(self, file: Path, name: str | None = None) -> Any:
        """Upload a copy of the file, as Gradio would put it."""
        place = self.events.uploads.folder / "0a1b" / (name or file.name)
        place.parent.mkdir(exist_ok=True)
        shutil.copyfile(file, place)
        return self.events.take_upload(str(place), self.request)

    def examine(self) -> list[tuple[Any, ...]]:
        return list(self.events.examine(self.request))

    def see(self, file: Path, name: str | None = None) -> tuple[Any, FileParts, FaceParts]:
        """Upload, examine; the last status, file parts and face parts."""
        self.give(file, name)
        return parts(self.examine()[-1])

    def choose(self, index: Any, value: Any = None) -> FaceParts:
        event: Any = SimpleNamespace(index=index, value=value)
        return FaceParts(*self.events.choose(event, self.request)[: len(FaceParts._fields)])

    @property
    def evidence(self) -> Evidence | None:
        return self.events.uploads.session(self.request.session_hash).evidence


def parts(step: tuple[Any, ...]) -> tuple[Any, FileParts, FaceParts]:
    split = 1 + len(FileParts._fields)
    return step[0], FileParts(*step[1:split]), FaceParts(*step[split : split + len(FaceParts._fields)])


def opinion_parts(step: tuple[Any, ...]) -> OpinionParts:
    return OpinionParts(*step[-len(OpinionParts._fields) :])


@pytest.fixture(scope="module")
def engine(detector_folder: Path) -> Engine:
    engine = Engine(str(detector_folder), "cpu")
    assert engine.pipeline() is not None
    return engine


@pytest.fixture
def events(engine: Engine, tmp_path: Path) -> Events:
    folder = tmp_path / "uploads"
    folder.mkdir()
    uploads = Uploads(folder)
    example = Example(uploads.publish(PORTRAIT), PORTRAIT.name, "A portrait", "NASA")
    return Events(uploads, engine, [example])


@pytest.fixture
def visitor(events: Events) -> Visitor:
    return Visitor(events)


@pytest.fixture
def warnings_shown(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    shown: list[str] = []
    monkeypatch.setattr(gr, "Warning", shown.append)
    return shown


def uploads_left(events: Events) -> list[Path]:
    published = {example.path for example in events.examples}
    return [path for path in events.uploads.folder.rglob("*") if path.is_file() and path not in published]


def test_a_picture_gets_a_verdict_a_face_and_a_record(visitor: Visitor) -> None:
    dropped, waiting = visitor.give(PORTRAIT)
    assert dropped is None, "the drop zone is free again"
    assert text.WAITING in waiting["value"]
    steps = visitor.examine()
    said = [step[0]["value"] for step in steps if "value" in step[0]]
    assert any("Reading the file" in one for one in said)
    assert any("Looking for faces" in one for one in said)
    status, file, face = parts(steps[-1])
    assert status["visible"] is False
    assert file.result["visible"] is True
    evidence = visitor.evidence
    assert evidence is not None
    assert text.STATES[evidence.verdict.state] in file.verdict
    assert evidence.media.name == "astronaut.png"
    assert evidence.media.sha256 in file.custody
    assert "data:image/jpeg;base64," in file.stage
    assert "Face 1" in face.face
    assert len(face.label["choices"]) == len(evidence.detector.labels)
    assert "Nothing" not in face.neighbours
    assert "random-for-tests" in file.custody
    assert "It was never trained" in file.limits
    for part in (file.verdict, file.stage, file.limits, file.custody, face.face, face.bars, face.neighbours):
        assert is_inert(part)
        assert Markup(part).problem == ""


def test_a_picture_is_deleted_once_examined(visitor: Visitor) -> None:
    visitor.see(PORTRAIT)
    assert uploads_left(visitor.events) == []


def test_an_example_is_examined_and_stays(visitor: Visitor) -> None:
    for _ in range(2):
        event: Any = SimpleNamespace(index=0, value=None)
        visitor.events.take_example(event, visitor.request)
        _, file, _ = parts(visitor.examine()[-1])
        assert "astronaut.png" in file.custody
    assert visitor.events.examples[0].path.is_file()


@pytest.mark.parametrize("index", [-1, 1, 99, None, "0", 0.5, [0]])
def test_an_example_that_is_none_is_ignored(visitor: Visitor, index: Any) -> None:
    event: Any = SimpleNamespace(index=index, value=None)
    assert visitor.events.take_example(event, visitor.request) == gr.skip()
    assert visitor.examine() == []


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("text.jpg", b"This is no picture at all, whatever its name says."),
        ("empty.png", b""),
        ("half.png", PORTRAIT.read_bytes()[:400]),
        ("song.mp4", b"\x00\x00\x00\x18ftypmp42" + bytes(64)),
    ],
)
def test_a_file_that_cannot_be_used_gets_one_sentence_and_the_next_one_a_verdict(
    visitor: Visitor, tmp_path: Path, name: str, content: bytes
) -> None:
    (tmp_path / name).write_bytes(content)
    status, file, _ = visitor.see(tmp_path / name)
    assert text.PROBLEM in status["value"]
    assert 'role="alert"' in status["value"]
    assert str(tmp_path) not in status["value"]
    assert "Traceback" not in status["value"]
    assert file.result["visible"] is False
    assert uploads_left(visitor.events) == []
    _, file, _ = visitor.see(PORTRAIT)
    assert file.result["visible"] is True


def test_a_picture_without_a_face_is_inconclusive_and_shows_no_face(visitor: Visitor, tmp_path: Path) -> None:
    Image.new("RGB", (320, 240), (120, 130, 140)).save(tmp_path / "wall.png")
    _, file, face = visitor.see(tmp_path / "wall.png")
    assert text.STATES["inconclusive"] in file.verdict
    assert file.faces["visible"] is False
    assert file.card["visible"] is False
    assert face == FaceParts.unchanged()
    assert visitor.events.explain("real", visitor.request)[0] == gr.skip()


def test_the_old_result_goes_before_the_new_one_comes(visitor: Visitor) -> None:
    visitor.see(PORTRAIT)
    visitor.give(PORTRAIT)
    first = next(visitor.events.examine(visitor.request))
    _, file, _ = parts(first)
    assert file.result["visible"] is False
    assert file.verdict == ""


def test_nothing_to_examine_is_nothing(visitor: Visitor) -> None:
    assert visitor.examine() == []
    assert visitor.events.take_upload(None, visitor.request) == (gr.skip(), gr.skip())


def test_an_upload_that_is_gone_is_said(visitor: Visitor) -> None:
    dropped, status = visitor.events.take_upload(str(visitor.events.uploads.folder / "gone.jpg"), visitor.request)
    assert dropped is None
    assert text.UPLOAD_GONE in status["value"]


def test_a_second_upload_replaces_one_that_waits(visitor: Visitor, tmp_path: Path) -> None:
    (tmp_path / "first.txt").write_bytes(b"first")
    visitor.give(tmp_path / "first.txt")
    visitor.give(PORTRAIT)
    assert all(path.read_bytes() != b"first" for path in uploads_left(visitor.events))
    _, file, _ = parts(visitor.examine()[-1])
    assert "astronaut.png" in file.custody


def test_whoever_leaves_midway_leaves_nothing(visitor: Visitor) -> None:
    visitor.give(PORTRAIT)
    steps = visitor.events.examine(visitor.request)
    next(steps)
    steps.close()  # type: ignore[attr-defined]
    visitor.events.leave(visitor.request)
    assert uploads_left(visitor.events) == []
    assert visitor.evidence is None


def test_whatever_breaks_is_our_fault_in_one_sentence(visitor: Visitor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("attribution.pipeline.find_inputs", lambda *anything: 1 / 0)
    status, file, _ = visitor.see(PORTRAIT)
    assert text.OUR_FAULT in status["value"]
    assert "division" not in status["value"]
    assert file.result["visible"] is False
    assert uploads_left(visitor.events) == []


def test_a_hostile_name_is_shown_and_stays_a_name(visitor: Visitor) -> None:
    _, file, _ = visitor.see(PORTRAIT, HOSTILE.replace("/", ""))
    assert is_inert(file.custody)
    assert is_inert(file.stage)
    assert "onerror=alert(1)" in Markup(file.custody).words


def test_a_heatmap_of_any_class_comes_with_its_test(visitor: Visitor) -> None:
    visitor.see(PORTRAIT)
    evidence = visitor.evidence
    assert evidence is not None
    for label in evidence.detector.labels:
        (face, heat), words, downloads = visitor.events.explain(label, visitor.request)
        assert face.shape == heat.shape
        assert face.dtype == heat.dtype == np.uint8
        assert not np.array_equal(face, heat)
        assert text.HEATMAP_WARNING in words
        assert "download=" in downloads


@pytest.mark.parametrize("label", [None, "", "no such class", HOSTILE])
def test_a_class_that_is_none_is_ignored(visitor: Visitor, label: str | None) -> None:
    visitor.see(PORTRAIT)
    assert visitor.events.explain(label, visitor.request) == (gr.skip(), gr.skip(), gr.skip())


def test_a_heatmap_that_fails_is_said_and_changes_nothing(
    visitor: Visitor, warnings_shown: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    visitor.see(PORTRAIT)
    monkeypatch.setattr("attribution.explain.gradcam.heatmaps", lambda *anything: 1 / 0)
    assert visitor.events.explain("real", visitor.request) == (gr.skip(), gr.skip(), gr.skip())
    assert warnings_shown == [text.OUR_FAULT]


def test_the_downloads_are_the_report_and_the_json_of_this_file(visitor: Visitor) -> None:
    visitor.see(PORTRAIT)
    evidence = visitor.evidence
    assert evidence is not None
    _, _, links = visitor.events.explain("real", visitor.request)
    report, data = (base64.b64decode(link).decode() for link in re.findall(r'href="data:[^,]+,([^"]+)"', links))
    assert evidence.media.sha256 in report
    assert 'class="whole"' in report
    assert is_inert(report)
    (read_back,) = read_document(json.loads(data))
    assert isinstance(read_back, Evidence)
    assert read_back.media == evidence.media
    assert read_back.verdict == evidence.verdict


def test_the_report_holds_the_heatmap_of_the_answer_once_it_was_drawn(visitor: Visitor) -> None:
    _, file, face = visitor.see(PORTRAIT)
    links = visitor.events.explain(face.label["value"], visitor.request)[2]
    before, after = (base64.b64decode(re.findall(r'href="data:[^,]+,([^"]+)"', part)[0]).decode() for part in (file.downloads, links))
    assert text.HEATMAP_WARNING not in before
    assert text.HEATMAP_WARNING in after


def test_the_map_holds_every_reference_and_the_face(visitor: Visitor) -> None:
    assert visitor.events.place(visitor.request) == gr.skip()
    visitor.see(PORTRAIT)
    figure = visitor.events.place(visitor.request)
    pipeline = visitor.events.engines.default.pipeline()
    assert pipeline is not None
    assert pipeline.bank is not None
    assert sum(len(trace.x) for trace in figure.data if trace.meta != "examined") == len(pipeline.bank.methods)
    assert [trace.name for trace in figure.data if trace.meta == "examined"] == ["Face 1"]


@pytest.mark.parametrize(("index", "value"), [(99, None), (-1, None), (None, None), ("0", 1), (0, "soon"), (0, float("nan")), ([0], {})])
def test_a_face_that_is_none_is_ignored(visitor: Visitor, index: Any, value: Any) -> None:
    visitor.see(PORTRAIT)
    assert "Face 1" in visitor.choose(index, value).face


def test_choosing_without_a_result_says_that_it_is_gone(visitor: Visitor, warnings_shown: list[str]) -> None:
    assert visitor.choose(0) == FaceParts.unchanged()
    assert warnings_shown == [text.GONE]


def test_a_page_cannot_see_another_page(events: Events) -> None:
    first, second = Visitor(events, "first"), Visitor(events, "second")
    first.see(PORTRAIT)
    assert second.evidence is None
    assert second.events.explain("real", second.request)[0] == gr.skip()


@pytest.fixture(scope="module")
def portrait_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three seconds of the portrait, moving sideways."""
    portrait = np.asarray(Image.open(PORTRAIT).convert("RGB"))[:320]
    path = tmp_path_factory.mktemp("clips") / "portrait.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("h264", rate=8)
        stream.width, stream.height, stream.pix_fmt = 400, 320, "yuv420p"
        for shift in range(24):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(portrait[:, 2 * shift : 2 * shift + 400]), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def test_a_clip_keeps_its_player_until_the_page_closes(visitor: Visitor, portrait_clip: Path) -> None:
    _, file, face = visitor.see(portrait_clip, "holiday.mp4")
    page = Markup(file.stage)
    assert is_inert(file.stage)
    (kept,) = uploads_left(visitor.events)
    assert page.of("video")[0]["src"] == f"gradio_api/file={kept}"
    assert kept.read_bytes() == portrait_clip.read_bytes()
    assert "holiday" not in str(kept)
    assert page.of_class("tt-timeline")
    assert len(page.of_class("tt-frame")) > 5
    assert "figcaption" in face.face
    visitor.events.leave(visitor.request)
    assert uploads_left(visitor.events) == []


def test_a_moment_of_a_clip_can_be_looked_at(visitor: Visitor, portrait_clip: Path) -> None:
    visitor.see(portrait_clip)
    early, late = visitor.choose(0, 0.0).face, visitor.choose(0, 2.6).face
    assert "<figcaption>0.0 s</figcaption>" in early
    assert "<figcaption>2." in late
    assert early.split("<figcaption>")[0] != late.split("<figcaption>")[0], "another crop"
    assert visitor.events.explain("real", visitor.request)[1] != gr.skip()


def test_the_clip_of_an_earlier_result_goes_with_the_next(visitor: Visitor, portrait_clip: Path) -> None:
    visitor.see(portrait_clip)
    visitor.see(PORTRAIT)
    assert uploads_left(visitor.events) == []


def test_thumbnails_come_from_the_readers_own_data_and_from_nowhere_else(engine: Engine, tmp_path: Path) -> None:
    pipeline = engine.pipeline()
    assert pipeline is not None
    bank = pipeline.bank
    assert bank is not None
    (tmp_path / "uploads").mkdir()
    data = tmp_path / "data"
    data.mkdir()
    (data / "face.jpg").write_bytes(b"a face")
    (tmp_path / "secret.jpg").write_bytes(b"a secret")
    (data / "notes.txt").write_bytes(b"no picture")
    (data / "huge.png").write_bytes(bytes(300_000))
    spellings = ["face.jpg", "../secret.jpg", str(tmp_path / "secret.jpg"), "notes.txt", "gone.jpg", "huge.png"]
    told: Any = SimpleNamespace(
        pipeline=lambda seconds=None: dataclasses.replace(
            pipeline, bank=dataclasses.replace(bank, paths=tuple(spellings[i % len(spellings)] for i in range(len(bank.methods))))
        )
    )
    visitor = Visitor(Events(Uploads(tmp_path / "uploads"), told, [], data))
    _, _, face = visitor.see(PORTRAIT)
    pictures = {image["src"] for image in Markup(face.neighbours).of("img")}
    assert pictures <= {"data:image/jpeg;base64," + base64.b64encode(b"a face").decode()}
    evidence = visitor.evidence
    assert evidence is not None
    (track,) = evidence.tracks
    assert track.placement is not None
    shown = [one for one in track.placement.neighbours if one.index % len(spellings) == 0]
    assert len(Markup(face.neighbours).of("img")) == len(shown)


def test_without_data_there_are_no_thumbnails(visitor: Visitor) -> None:
    _, _, face = visitor.see(PORTRAIT)
    assert not Markup(face.neighbours).of("img")


def test_a_detector_that_is_not_there_is_said(tmp_path: Path) -> None:
    visitor = Visitor(Events(Uploads(tmp_path), Engine("no such detector", "cpu"), []))
    status, _, _ = visitor.see(PORTRAIT)
    assert "no detector called" in status["value"]


async def states(events: Events) -> list[str]:
    return [state async for state in events.detector_state()]


def test_a_new_page_is_told_when_the_detector_is_ready(events: Events) -> None:
    said = asyncio.run(states(events))
    assert text.DETECTOR_STARTING in said[0]
    assert "random-for-tests is ready on CPU" in said[-1]


def test_a_new_page_is_told_why_there_is_no_detector(tmp_path: Path) -> None:
    engine = Engine(f"<b>{tmp_path.name}</b>", "cpu")
    said = asyncio.run(states(Events(Uploads(tmp_path), engine, [])))
    assert text.DETECTOR_FAILED in said[-1]
    assert is_inert(said[-1])
    assert "<b>" not in said[-1]


async def limits(events: Events) -> list[str]:
    return [page async for page in events.limits()]


def test_the_measured_limits_are_those_of_the_loaded_detector(events: Events, tmp_path: Path) -> None:
    events.study_file = tmp_path / "no study"
    (page,) = asyncio.run(limits(events))
    assert Markup(page).problem == ""
    assert is_inert(page)
    assert "random-for-tests" in Markup(page).words
    assert "It was never trained" in Markup(page).words
    assert ABSENT in Markup(page).words


def test_the_measured_limits_wait_for_the_detector_and_disturb_no_page(engine: Engine, tmp_path: Path) -> None:
    answers = iter([None, engine.pipeline()])
    told: Any = SimpleNamespace(pipeline=lambda seconds=None: next(answers))
    uploads = Uploads(tmp_path)
    (page,) = asyncio.run(limits(Events(uploads, told, [], study_file=write_study(tmp_path / "study.json"))))
    assert "tt-m-matrix" in page
    assert uploads._sessions == {}


def test_why_detectors_fail_needs_no_detector_and_follows_its_file(tmp_path: Path) -> None:
    example = Example(PORTRAIT, PORTRAIT.name, "A portrait", "NASA")
    events = Events(Uploads(tmp_path), Engine("<b>none</b>", "cpu"), [example], zeroshot_file=tmp_path / "zeroshot.json")
    assert ABSENT in Markup(events.failures()).words
    write_zeroshot(events.zeroshot_file)
    page = events.failures()
    assert Markup(page).problem == ""
    assert is_inert(page)
    assert page.count("url(data:image/jpeg") == 1, "the face of the one example that is there"
    assert events.failures() is page, "drawn once for all"
    events.zeroshot_file.write_bytes(b"{")
    assert UNREADABLE in Markup(events.failures()).words
    assert events.uploads._sessions == {}


def test_without_a_detector_the_limits_say_why(tmp_path: Path) -> None:
    (page,) = asyncio.run(limits(Events(Uploads(tmp_path), Engine("<b>none</b>", "cpu"), [])))
    assert limits_text.NO_DETECTOR in page
    assert "no detector called" in page
    assert "<b>" not in page


@pytest.fixture
def consulted(embed: Shelves, tmp_path: Path) -> Callable[..., Visitor]:
    """A visitor whose first detector always answers with that label; a detector of generators stands beside it, and with `swap` one of face
    swaps that answers with that. `chosen` is the folder of the first one where that is not the default."""

    def visitor_of(favours: str, swap: str = "", chosen: str = DEFAULT_DETECTOR) -> Visitor:
        engine = Engine(str(embed(favours, swap) / chosen), "cpu")
        assert engine.pipeline() is not None
        folder = tmp_path / "uploads"
        folder.mkdir()
        return Visitor(Events(Uploads(folder), engine, []))

    return visitor_of


def test_a_generated_face_gets_a_second_opinion_with_heatmap_map_and_patches(consulted: Callable[..., Visitor]) -> None:
    visitor = consulted("stylegan2")
    events, request = visitor.events, visitor.request
    visitor.give(PORTRAIT)
    step = visitor.examine()[-1]
    second = opinion_parts(step)
    assert second.section["visible"] is True
    assert second.detail["visible"] is True
    assert second.patches["visible"] is True
    assert second.button["visible"] is False, "the patches of a consulted face are there at once"
    assert "tt-mosaic" in second.mosaic
    for part in (second.answer, second.neighbours, second.mosaic, second.limits, parts(step)[2].face):
        assert is_inert(part)
        assert Markup(part).problem == ""
    assert opinion_text.BESIDE in parts(step)[2].face
    assert limits_text.SEE_ALL in second.limits
    (face, heat), words, downloads = events.explain_opinion(request)
    assert face.shape == heat.shape
    assert "carries the evidence" in words
    report = base64.b64decode(re.findall(r'href="data:[^,]+,([^"]+)"', downloads)[0]).decode()
    assert is_inert(report)
    assert "carries the evidence" in report
    figure = events.place_opinion(request)
    pipeline = events.engines.default.pipeline()
    assert pipeline is not None
    assert pipeline.specialists[0].bank is not None
    assert sum(len(trace.x) for trace in figure.data if trace.meta != "examined") == len(pipeline.specialists[0].bank.methods)
    assert [trace.name for trace in figure.data if trace.meta == "examined"] == ["Face 1"]
    chosen = OpinionParts(*events.choose(SimpleNamespace(index=0, value=None), request)[-len(OpinionParts._fields) :])  # type: ignore[arg-type]
    assert chosen.answer == second.answer
    (page,) = asyncio.run(limits(events))
    assert Markup(page).problem == ""
    assert len(Markup(page).of_class("tt-chapter")) == 2


def test_a_face_swap_gets_a_reason_and_its_patches_on_demand(consulted: Callable[..., Visitor], monkeypatch: pytest.MonkeyPatch) -> None:
    visitor = consulted("landmark_swap")
    events, request = visitor.events, visitor.request
    assert events.read_patches(request) == (gr.skip(), gr.skip(), gr.skip())
    visitor.give(PORTRAIT)
    second = opinion_parts(visitor.examine()[-1])
    assert "so it was not asked" in second.answer
    assert second.detail["visible"] is False
    assert second.button["visible"] is True
    assert second.mosaic == second.limits == ""
    assert events.explain_opinion(request) == (gr.skip(), gr.skip(), gr.skip())
    assert events.place_opinion(request) == gr.skip()
    button, waiting = events.ask_for_patches(request)
    assert button["interactive"] is False
    assert opinion_text.PATCH_WORKING in waiting
    button, mosaic, downloads = events.read_patches(request)
    assert button["visible"] is False
    assert is_inert(mosaic)
    assert "tt-mosaic" in mosaic
    report, data = (base64.b64decode(link).decode() for link in re.findall(r'href="data:[^,]+,([^"]+)"', downloads))
    assert '<figure class="tt-mosaic"' in report
    (read_back,) = read_document(json.loads(data))
    assert isinstance(read_back, Evidence)
    assert read_back.tracks[0].opinions[0].patches is None, "they are part of no answer"
    monkeypatch.setattr("attribution.explain.patches.patch_view", lambda *anything: 1 / 0)
    assert events.read_patches(request)[1] == mosaic, "kept, not read again"
    visitor.see(PORTRAIT)
    button, said, downloads = events.read_patches(request)
    assert button["interactive"] is True
    assert opinion_text.PATCH_OUR_FAULT in said
    assert 'role="alert"' in said
    assert downloads == gr.skip()


def test_asking_for_patches_without_a_result_says_that_it_is_gone(visitor: Visitor, warnings_shown: list[str]) -> None:
    assert visitor.events.ask_for_patches(visitor.request) == (gr.skip(), gr.skip())
    assert warnings_shown == [text.GONE]


def test_a_clip_has_no_patches_to_ask_for(consulted: Callable[..., Visitor], portrait_clip: Path) -> None:
    visitor = consulted("landmark_swap")
    visitor.give(portrait_clip)
    second = opinion_parts(visitor.examine()[-1])
    assert second.section["visible"] is True
    assert second.patches["visible"] is False
    assert visitor.events.read_patches(visitor.request)[1] == ""


def fetched(links: str) -> tuple[str, str]:
    """The report and the JSON behind the links."""
    report, data = (base64.b64decode(link).decode() for link in re.findall(r'href="data:[^,]+,([^"]+)"', links))
    return report, data


def test_a_contradiction_stands_at_the_verdict_and_at_the_opinion_with_the_areas(consulted: Callable[..., Visitor]) -> None:
    visitor = consulted("real", "swapped")
    visitor.give(PORTRAIT)
    step = visitor.examine()[-1]
    _, file, face = parts(step)
    second = opinion_parts(step)
    assert text.STATES["inconclusive"] in file.verdict
    for part in (file.verdict, second.answer):
        assert opinion_text.CONTRADICTED in part
        assert opinion_text.NEXT[0] in part
        assert "over 99 %" in part, "what the second one says"
        assert "under 1 %" in part, "what the first one says"
    assert "The detectors disagree" not in file.verdict, "said once"
    assert Markup(face.face).of_class("tt-differs")
    assert face.areas == gr.update(value="", visible=False), "the first detector never says where"
    assert second.areas["visible"] is True
    assert "random-caddm marks" in second.areas["value"]
    assert area_text.BOXES_NOT_MEASURED in second.areas["value"]
    assert len(Markup(file.stage).of_class("tt-areas-of")) == 1
    assert second.choices == gr.update(value="", visible=False)
    assert "random-dna-det" in second.others["value"], "who was not asked has a line"
    for part in (file.verdict, file.stage, second.answer, second.areas["value"], second.others["value"]):
        assert is_inert(part)
        assert Markup(part).problem == ""
    _, words, downloads = visitor.events.explain_opinion(visitor.request)
    assert area_text.HEATMAPS_NOT_MEASURED in words
    report, data = fetched(downloads)
    assert is_inert(report)
    assert opinion_text.CONTRADICTED in report
    assert 'class="tt-marked-crop"' in report
    assert area_text.HEATMAPS_NOT_MEASURED in report
    (read_back,) = read_document(json.loads(data))
    assert isinstance(read_back, Evidence)
    assert visitor.evidence is not None
    assert read_back.tracks[0].artifacts == visitor.evidence.tracks[0].artifacts != ()


def test_the_detector_that_was_asked_is_in_full_and_the_other_has_a_line(consulted: Callable[..., Visitor]) -> None:
    visitor = consulted("stylegan2", "swapped")
    visitor.give(PORTRAIT)
    second = opinion_parts(visitor.examine()[-1])
    assert "Which generator drew it? (random-dna-det)" in second.answer
    assert "random-caddm" not in second.answer
    assert "random-caddm looks for face swaps and pasted parts" in second.others["value"]
    assert second.areas["visible"] is False
    assert "carries the evidence" in visitor.events.explain_opinion(visitor.request)[1]
    assert visitor.events.place_opinion(visitor.request) != gr.skip()


def test_two_opinions_can_both_be_seen_in_full(embed: Shelves, tmp_path: Path, warnings_shown: list[str]) -> None:
    uploads = embed("real", "swapped")
    own: dict[str, Any] = {"labels": SWAP_LABELS, "scope": "face_swap", "artifacts": ArtifactRule(0.51), "name": "another-caddm"}
    write_detector(uploads / "another-caddm", CADDM, side_px=SWAP_SIDE_PX, thresholds=SURE, favours="real", **own)
    (tmp_path / "uploads").mkdir()
    visitor = Visitor(Events(Uploads(tmp_path / "uploads"), Engine(str(uploads / DEFAULT_DETECTOR), "cpu"), []))
    events, request = visitor.events, visitor.request

    def choose(index: Any) -> tuple[OpinionParts, tuple[Any, ...]]:
        event: Any = SimpleNamespace(index=index, value=None)
        given = events.choose_opinion(event, request)
        return OpinionParts(*given[: len(OpinionParts._fields)]), given[len(OpinionParts._fields) :]

    assert choose(0)[0] == OpinionParts.unchanged()
    assert warnings_shown == [text.GONE]
    visitor.give(PORTRAIT)
    second = opinion_parts(visitor.examine()[-1])
    page = Markup(second.choices["value"])
    names = [one.detector.name for one in visitor.evidence.tracks[0].opinions]  # type: ignore[union-attr]
    places = {name: names.index(name) for name in ("another-caddm", "random-caddm")}
    assert sorted(int(one["data-opinion"]) for one in page.of("button")) == sorted(places.values())
    assert "Answer of random-caddm" in second.answer, "the one that differs comes first"
    first_words = events.explain_opinion(request)[1]
    other, emptied = choose(places["another-caddm"])
    assert "Answer of another-caddm" in other.answer
    assert other.choices == gr.skip(), "the keyboard keeps its place"
    assert emptied == (None, "", None), "a heatmap of the one never stands with the name of the other"
    assert events.explain_opinion(request)[1] != first_words
    assert "Among" not in str(events.place_opinion(request))
    for nonsense in (None, -1, 99, "0", 0.5, [0], names.index("random-dna-det")):
        assert choose(nonsense)[0] == OpinionParts.unchanged()
    session = events.uploads.session(request.session_hash)
    assert session.opinion == places["another-caddm"]
    visitor.give(PORTRAIT)
    assert "Answer of random-caddm" in opinion_parts(visitor.examine()[-1]).answer, "a new file starts afresh"


def test_a_chosen_detector_that_says_where_shows_its_areas_beside_its_own_heatmap(consulted: Callable[..., Visitor]) -> None:
    visitor = consulted("landmark_swap", "swapped", "random-caddm")
    visitor.give(PORTRAIT)
    step = visitor.examine()[-1]
    face, second = parts(step)[2], opinion_parts(step)
    assert face.areas["visible"] is True
    assert area_text.FIRST_HEADING in face.areas["value"]
    assert "random-caddm marks" in face.areas["value"]
    assert second.areas["visible"] is False
    assert "It knows wholly generated faces too" in second.answer
    assert is_inert(face.areas["value"])


def test_a_clip_shows_its_areas_on_the_face_that_they_were_found_on(consulted: Callable[..., Visitor], portrait_clip: Path) -> None:
    visitor = consulted("real", "swapped")
    visitor.give(portrait_clip)
    step = visitor.examine()[-1]
    assert visitor.evidence is not None
    (track,) = visitor.evidence.tracks
    (layer,) = Markup(parts(step)[1].stage).of_class("tt-areas-of")
    assert float(layer["data-seconds"]) == pytest.approx(track.artifacts[0].seconds, abs=1e-3)
    assert "tt-marked-crop" in opinion_parts(step).areas["value"]
