"""The page's events before the real pipeline with detectors of random weights: results, refusals, leavers, and strange requests."""

from __future__ import annotations

import asyncio
import base64
import json
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gradio as gr
import numpy as np
import pytest
from PIL import Image

from attribution.detectors import loading
from attribution.detectors.loading import DEFAULT_DETECTOR
from attribution.errors import UnknownDetector
from attribution.evidence import Evidence, Opinion, Placement, read_document
from attribution.evidence.types import Neighbour
from attribution.measured.study import ABSENT, UNREADABLE, ZEROSHOT_FILE
from attribution.pipeline import Analysis, Pipeline, examine, load_pipeline
from attribution.text import areas as area_text
from attribution.text import limits as limits_text
from attribution.text import opinions as opinion_text
from attribution.text import page as text
from attribution.web import examination, results
from attribution.web.engine import Engine, Watched
from attribution.web.events import Events, Example
from attribution.web.results import FaceParts, FileParts, OpinionParts
from attribution.web.sessions import Session
from attribution.web.uploads import Uploads
from conftest import SWAP_SIDE_PX, Folders
from limits_samples import write_study
from samples import HOSTILE, MANIPULATED, REFUSED, SPECIALIST, Markup, is_inert, opinion, picture, swap_opinion, track

PORTRAIT = Path(__file__).resolve().parent.parent / "examples" / "astronaut.png"
NOTHING = (gr.skip(), gr.skip(), gr.skip())


class Ready(Engine):
    """An engine with that pipeline, or one that fails to load."""

    def __init__(self, ready: Any) -> None:
        super().__init__()
        self._started.acquire()
        self._pipeline, self._error = (None, ready) if isinstance(ready, Exception) else (ready, None)
        self._done.set()


ANYONE: Any = SimpleNamespace(session_hash="anyone")


class Visitor:
    """One open page."""

    def __init__(self, events: Events, name: str = "page") -> None:
        self.events = events
        self.request: Any = SimpleNamespace(session_hash=name)

    @property
    def session(self) -> Session:
        return self.events.sessions.of(self.request)

    @property
    def evidence(self) -> Evidence:
        assert self.session.evidence is not None
        return self.session.evidence

    def give(self, file: Path, name: str | None = None) -> Any:
        """Upload a copy of the file, as Gradio would put it."""
        place = self.events.uploads.folder / "0a1b" / (name or file.name)
        place.parent.mkdir(exist_ok=True)
        shutil.copyfile(file, place)
        return self.events.take_upload(str(place), self.request)

    def examine(self) -> list[tuple[Any, FileParts, FaceParts, OpinionParts]]:
        """Every step: the status, and the parts of the file, of the face and of the second opinion."""
        ends = np.cumsum([1, len(FileParts._fields), len(FaceParts._fields)])
        return [
            (step[0], FileParts(*step[1 : ends[1]]), FaceParts(*step[ends[1] : ends[2]]), OpinionParts(*step[ends[2] :]))
            for step in self.events.examine(self.request)
        ]

    def see(self, file: Path, name: str | None = None) -> tuple[Any, FileParts, FaceParts, OpinionParts]:
        """Upload, examine; the last step."""
        self.give(file, name)
        return self.examine()[-1]

    def have(self, found: Analysis) -> Visitor:
        """Have that result on the page."""
        self.session.show(found.evidence)
        self.session.tiles = found.tiles
        return self

    def pick(self, handler: Callable[..., Any], index: Any, value: Any = None) -> Any:
        return handler(SimpleNamespace(index=index, value=value), self.request)

    def left(self) -> list[Path]:
        """The files that are left of uploads."""
        published = {example.path for example in self.events.examples}
        return [path for path in self.events.uploads.folder.rglob("*") if path.is_file() and path not in published]


def fetched(links: str) -> tuple[str, Any]:
    """The report and the evidence behind the links."""
    report, data = (base64.b64decode(link).decode() for link in re.findall(r'href="data:[^,]+,([^"]+)"', links))
    assert is_inert(report)
    (evidence,) = read_document(json.loads(data))
    assert isinstance(evidence, Evidence)
    return report, evidence


def are_sound(*parts: str) -> bool:
    return all(is_inert(part) and Markup(part).problem == "" for part in parts)


async def states(events: Events) -> list[str]:
    return [state async for state in events.detector_state(ANYONE)]


@pytest.fixture
def visit(tmp_path: Path) -> Callable[..., Visitor]:
    def of(ready: Any, **settings: Any) -> Visitor:
        folder = tmp_path / "uploads"
        folder.mkdir()
        uploads = Uploads(folder)
        return Visitor(Events(uploads, Ready(ready), [Example(uploads.publish(PORTRAIT), PORTRAIT.name, "A portrait", "NASA")], **settings))

    return of


@pytest.fixture
def visitor(visit: Callable[..., Visitor], pipeline: Pipeline) -> Visitor:
    return visit(pipeline)


@pytest.fixture(scope="module")
def portrait(pipeline: Pipeline) -> Analysis:
    """What the detector with random weights gives of the portrait."""
    return examine(PORTRAIT, pipeline)


@pytest.fixture
def warnings_shown(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    shown: list[str] = []
    monkeypatch.setattr(gr, "Warning", shown.append)
    return shown


def test_a_picture_gets_a_verdict_a_face_and_a_record_and_is_deleted(visitor: Visitor) -> None:
    dropped, waiting = visitor.give(PORTRAIT, HOSTILE.replace("/", ""))
    assert dropped is None, "the drop zone is free again"
    assert text.WAITING in waiting["value"]
    steps = visitor.examine()
    assert steps[0][1].result["visible"] is False
    assert steps[0][1].verdict == "", "the old result goes before the new one comes"
    said = " ".join(step[0].get("value", "") for step in steps)
    assert "Reading the file" in said
    assert "Looking for faces" in said
    status, file, face, second = steps[-1]
    evidence = visitor.evidence
    assert visitor.left() == []
    assert status["visible"] is False
    assert file.result["visible"] is True
    assert second.detail["visible"] is False
    assert text.STATES[evidence.verdict.state] in file.verdict
    assert evidence.media.sha256 in file.provenance
    assert "onerror=alert(1)" in Markup(file.provenance).words
    assert len(face.label["choices"]) == len(evidence.detector.labels)
    assert not Markup(face.neighbours).of("img"), "without data there are no thumbnails"
    assert are_sound(file.verdict, file.stage, file.limits, file.provenance, face.face, face.bars, face.neighbours)
    before, read_back = fetched(file.downloads)
    assert read_back.media == evidence.media
    assert read_back.verdict == evidence.verdict
    assert 'class="whole"' in before
    after, _ = fetched(visitor.events.explain(face.label["value"], visitor.request)[2])
    assert text.HEATMAP_WARNING not in before
    assert text.HEATMAP_WARNING in after, "the report holds the heatmap of the answer once it was drawn"


def test_an_example_is_examined_and_stays_and_none_is_ignored(visitor: Visitor) -> None:
    for index in (-1, 1, 99, None, "0", 0.5, [0]):
        assert visitor.pick(visitor.events.take_example, index) == gr.skip()
    assert visitor.events.take_upload(None, visitor.request) == (gr.skip(), gr.skip())
    assert visitor.examine() == []
    for _ in range(2):
        visitor.pick(visitor.events.take_example, 0)
        assert "astronaut.png" in visitor.examine()[-1][1].provenance
    assert visitor.events.examples[0].path.is_file()


def test_a_file_that_cannot_be_used_gets_one_sentence_and_the_next_one_a_verdict(
    visitor: Visitor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, content in {"text.jpg": b"This is no picture at all.", "empty.png": b"", "half.png": PORTRAIT.read_bytes()[:400]}.items():
        (tmp_path / name).write_bytes(content)
        status, file, *_ = visitor.see(tmp_path / name)
        assert text.PROBLEM in status["value"]
        assert 'role="alert"' in status["value"]
        assert str(tmp_path) not in status["value"]
        assert "Traceback" not in status["value"]
        assert file.result["visible"] is False
        assert visitor.left() == []
    Image.new("RGB", (320, 240), (120, 130, 140)).save(tmp_path / "wall.png")
    _, file, face, _ = visitor.see(tmp_path / "wall.png")
    assert text.STATES["inconclusive"] in file.verdict
    assert file.faces["visible"] is file.card["visible"] is False
    assert face == FaceParts()
    assert visitor.events.explain("real", visitor.request) == NOTHING
    monkeypatch.setattr(examination, "begin", lambda engine, upload: Watched(lambda progress: 1 / 0))
    status, file, *_ = visitor.see(PORTRAIT)
    assert text.OUR_FAULT in status["value"]
    assert "division" not in status["value"]
    assert visitor.left() == []


def test_a_second_upload_replaces_one_that_waits_and_one_that_is_gone_is_said(visitor: Visitor, tmp_path: Path) -> None:
    (tmp_path / "first.txt").write_bytes(b"first")
    visitor.give(tmp_path / "first.txt")
    visitor.give(PORTRAIT)
    assert all(path.read_bytes() != b"first" for path in visitor.left())
    assert visitor.session.upload is not None
    assert visitor.session.upload.name == "astronaut.png"
    dropped, status = visitor.events.take_upload(str(visitor.events.uploads.folder / "gone.jpg"), visitor.request)
    assert dropped is None
    assert text.UPLOAD_GONE in status["value"]
    steps: Any = visitor.events.examine(visitor.request)
    next(steps)
    steps.close()
    visitor.events.leave(visitor.request)
    assert visitor.left() == [], "whoever leaves midway leaves nothing"
    assert visitor.session.evidence is None


def test_a_heatmap_of_any_class_comes_with_its_test_and_no_class_is_ignored(
    visitor: Visitor, portrait: Analysis, warnings_shown: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    explain = visitor.events.explain
    assert explain("real", visitor.request) == NOTHING
    assert visitor.events.place(visitor.request) == gr.skip()
    label = visitor.have(portrait).evidence.detector.labels[1]
    (face, heat), words, _ = explain(label, visitor.request)
    assert face.shape == heat.shape
    assert face.dtype == heat.dtype == np.uint8
    assert not np.array_equal(face, heat)
    assert text.HEATMAP_WARNING in words
    for nothing in (None, "", "no such class", HOSTILE):
        assert explain(nothing, visitor.request) == NOTHING
    monkeypatch.setattr("attribution.pipeline.explain", lambda *anything, **named: 1 / 0)
    assert explain(label, visitor.request) != NOTHING, "kept, not drawn again"
    assert warnings_shown == []
    assert explain("real", visitor.request) == NOTHING
    assert warnings_shown == [text.OUR_FAULT]


def test_pages_do_not_see_each_other_and_a_result_that_is_gone_is_said(
    visitor: Visitor, portrait: Analysis, warnings_shown: list[str]
) -> None:
    second = Visitor(visitor.events, "second")
    visitor.have(portrait)
    events = second.events
    assert second.pick(events.choose, 0) == (*FaceParts(), *OpinionParts())
    assert second.pick(events.choose_opinion, 0) == (*OpinionParts(), *NOTHING)
    assert events.ask_for_patches(second.request) == (gr.skip(), gr.skip())
    assert warnings_shown == [text.GONE] * 3
    assert events.explain("real", second.request) == events.read_patches(second.request) == NOTHING
    for index, value in ((99, None), (0, "soon"), (0, float("nan"))):
        assert "Face 1" in visitor.pick(events.choose, index, value)[0]


def test_thumbnails_come_from_the_readers_own_data_and_from_nowhere_else(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    for path, content in {"data/face.jpg": b"a face", "secret.jpg": b"", "data/notes.txt": b"", "data/huge.png": bytes(300_000)}.items():
        (tmp_path / path).write_bytes(content)
    paths = ("face.jpg", "../secret.jpg", str(tmp_path / "secret.jpg"), "notes.txt", "gone.jpg", "huge.png")
    bank: Any = SimpleNamespace(paths=paths)
    placement = Placement(0.0, 0.0, tuple(Neighbour(i, "real", "source", 0.1 * i) for i in range(len(paths))), 0.4)
    wanted = {0: "data:image/jpeg;base64," + base64.b64encode(b"a face").decode()}
    assert results.thumbnails(placement, bank, data) == wanted
    assert results.thumbnails(placement, bank, None) == results.thumbnails(placement, None, data) == {}


def test_a_detector_that_is_not_there_is_said_everywhere(visit: Callable[..., Visitor]) -> None:
    visitor = visit(UnknownDetector("There is no detector called '<b>none</b>' here.", "Ask."))
    assert "no detector called" in visitor.see(PORTRAIT)[0]["value"]
    said = asyncio.run(states(visitor.events))
    limits = asyncio.run(visitor.events.limits(ANYONE))
    assert text.DETECTOR_FAILED in said[-1]
    assert limits_text.NO_DETECTOR in limits
    for one in (said[-1], limits):
        assert "no detector called" in one
        assert is_inert(one)
        assert "<b>" not in one


def test_a_new_page_and_its_limits_wait_for_the_detector(
    visit: Callable[..., Visitor], pipeline: Pipeline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    visitor = visit(pipeline, study_file=write_study(tmp_path / "study.json"))
    events = visitor.events
    answers = iter([None, pipeline, None, pipeline, pipeline])
    monkeypatch.setattr(Ready, "ready", lambda self: next(answers))
    starting, ready = asyncio.run(states(events))
    assert text.DETECTOR_STARTING in starting
    assert "random-for-tests is ready on CPU" in ready
    assert "tt-m-matrix" in asyncio.run(events.limits(ANYONE))
    events.study_file = tmp_path / "no study"
    page = asyncio.run(events.limits(ANYONE))
    assert Markup(page).problem == ""
    assert is_inert(page)
    for words in ("random-for-tests", "It was never trained", ABSENT):
        assert words in Markup(page).words


def test_why_detectors_fail_needs_no_detector_and_follows_its_file(visit: Callable[..., Visitor], tmp_path: Path) -> None:
    events = visit(UnknownDetector("None.", "None."), zeroshot_file=tmp_path / "zeroshot.json").events
    assert ABSENT in Markup(events.failures(ANYONE)).words
    shutil.copyfile(ZEROSHOT_FILE, events.zeroshot_file)
    page = events.failures(ANYONE)
    assert Markup(page).problem == ""
    assert is_inert(page)
    assert page.count("url(data:image/jpeg") == 1, "the face of the one example that is there"
    assert events.failures(ANYONE) is page, "drawn once for all"
    events.zeroshot_file.write_bytes(b"{")
    assert UNREADABLE in Markup(events.failures(ANYONE)).words


# Second opinions


@pytest.fixture
def consulted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Pipeline]:
    """A pipeline of these folders, the first of which is the default."""

    def pipeline_of(**folders: Path) -> Pipeline:
        weights = tmp_path / "weights"
        weights.mkdir()
        for name, folder in folders.items():
            (weights / {"default": DEFAULT_DETECTOR}.get(name, f"random-{name}")).symlink_to(folder)
        monkeypatch.setattr(loading, "EMBEDDED_FOLDER", weights)
        return load_pipeline(str(weights / DEFAULT_DETECTOR), "cpu")

    return pipeline_of


def test_a_generated_face_gets_a_second_opinion_with_heatmap_map_and_patches(
    visit: Callable[..., Visitor],
    consulted: Callable[..., Pipeline],
    default_folders: Folders,
    generated_folders: Folders,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pipeline = consulted(default=default_folders("stylegan2"), generators=generated_folders("stylegan2"))
    visitor = visit(pipeline)
    events, request = visitor.events, visitor.request
    _, _, face, second = visitor.see(PORTRAIT)
    assert second.section["visible"] is second.detail["visible"] is second.patches["visible"] is True
    assert second.button["visible"] is False, "the patches of a consulted face are there at once"
    assert "tt-mosaic" in second.mosaic
    assert are_sound(second.answer, second.neighbours, second.mosaic, second.limits, face.face)
    assert opinion_text.BESIDE in face.face
    assert limits_text.SEE_ALL in second.limits
    (crop, heat), words, downloads = events.explain_opinion(request)
    assert crop.shape == heat.shape
    assert "carries the evidence" in words
    assert "carries the evidence" in fetched(downloads)[0]
    figure = events.place_opinion(request)
    bank = pipeline.specialists[0].bank
    assert bank is not None
    assert sum(len(trace.x) for trace in figure.data if trace.meta != "examined") == len(bank.methods)
    assert [trace.name for trace in figure.data if trace.meta == "examined"] == ["Face 1"]
    assert OpinionParts(*visitor.pick(events.choose, 0)[len(FaceParts._fields) :]).answer == second.answer
    page = Markup(asyncio.run(events.limits(ANYONE)))
    assert page.problem == ""
    assert len(page.of_class("tt-chapter")) == 2

    # Where it was not asked, it says why, and its patches are read on demand.
    (whole,) = visitor.evidence.tracks
    refused = replace(whole, opinions=(Opinion(whole.opinions[0].detector, REFUSED),))
    visitor.session.evidence = replace(visitor.evidence, tracks=(refused,))
    visitor.session.opinion_heatmaps.clear()
    second = results.opinion_parts(visitor.session, pipeline)
    assert REFUSED in second.answer
    assert second.detail["visible"] is False
    assert second.button["visible"] is True
    assert second.mosaic == second.limits == ""
    assert events.explain_opinion(request) == NOTHING
    assert events.place_opinion(request) == gr.skip()
    button, waiting = events.ask_for_patches(request)
    assert button["interactive"] is False
    assert opinion_text.PATCH_WORKING in waiting
    button, mosaic, downloads = events.read_patches(request)
    assert button["visible"] is False
    assert is_inert(mosaic)
    assert "tt-mosaic" in mosaic
    report, read_back = fetched(downloads)
    assert '<figure class="tt-mosaic"' in report
    assert read_back.tracks[0].opinions[0].patches is None, "they are part of no answer"
    monkeypatch.setattr(examination, "patches", lambda *anything, **named: 1 / 0)
    assert events.read_patches(request)[1] == mosaic, "kept, not read again"
    visitor.session.patches.clear()
    button, said, downloads = events.read_patches(request)
    assert button["interactive"] is True
    assert opinion_text.PATCH_OUR_FAULT in said
    assert 'role="alert"' in said
    assert downloads == gr.skip()
    visitor.session.tiles = ()
    assert results.opinion_parts(visitor.session, pipeline).patches["visible"] is False, "as in a clip"
    assert events.read_patches(request)[1] == ""


def test_a_contradiction_stands_at_the_verdict_and_at_the_opinion_with_the_areas(
    visit: Callable[..., Visitor], consulted: Callable[..., Pipeline], default_folders: Folders, swap_folders: Folders
) -> None:
    visitor = visit(consulted(default=default_folders("real", SWAP_SIDE_PX), caddm=swap_folders("swapped")))
    _, file, face, second = visitor.see(PORTRAIT)
    assert text.STATES["inconclusive"] in file.verdict
    for part in (file.verdict, second.answer):
        assert opinion_text.CONTRADICTED in part
        assert opinion_text.NEXT[0] in part
    assert Markup(face.face).of_class("tt-differs")
    assert face.areas == gr.update(value="", visible=False), "the first detector never says where"
    assert second.areas["visible"] is True
    assert "random-caddm marks" in second.areas["value"]
    assert area_text.BOXES_NOT_MEASURED in second.areas["value"]
    assert len(Markup(file.stage).of_class("tt-areas-of")) == 1
    assert second.choices == gr.update(value="", visible=False)
    assert are_sound(file.verdict, file.stage, second.answer, second.areas["value"])
    _, words, downloads = visitor.events.explain_opinion(visitor.request)
    report, read_back = fetched(downloads)
    assert area_text.HEATMAPS_NOT_MEASURED in words
    assert opinion_text.CONTRADICTED in report
    assert 'class="tt-marked-crop"' in report
    assert read_back.tracks[0].artifacts == visitor.evidence.tracks[0].artifacts != ()


def test_a_chosen_detector_that_says_where_shows_its_areas_beside_its_own_heatmap(
    visit: Callable[..., Visitor], consulted: Callable[..., Pipeline], default_folders: Folders, swap_folders: Folders
) -> None:
    consulted(default=default_folders("landmark_swap", SWAP_SIDE_PX))
    visitor = visit(load_pipeline(str(swap_folders("swapped")), "cpu"))
    _, _, face, second = visitor.see(PORTRAIT)
    assert face.areas["visible"] is True
    assert area_text.FIRST_HEADING in face.areas["value"]
    assert visitor.evidence.detector.name in face.areas["value"]
    assert second.areas["visible"] is False
    assert are_sound(face.areas["value"])


def test_two_opinions_can_both_be_seen_in_full(visit: Callable[..., Visitor], pipeline: Pipeline) -> None:
    """The detectors that gave them are not in the pipeline: what is said of them does without."""
    both = track(verdict=MANIPULATED, opinions=(swap_opinion(), Opinion(SPECIALIST, REFUSED), opinion(agreement="differs")))
    visitor = visit(pipeline)
    session = visitor.session
    session.show(picture(verdict=MANIPULATED, tracks=(both,)))
    second = results.opinion_parts(session, pipeline)
    assert sorted(int(one["data-opinion"]) for one in Markup(second.choices["value"]).of("button")) == [0, 2]
    assert opinion_text.AGREEMENT["differs"] in second.answer, "the one that differs comes first"
    given = visitor.pick(visitor.events.choose_opinion, 0)
    other, emptied = OpinionParts(*given[: len(OpinionParts._fields)]), given[len(OpinionParts._fields) :]
    assert other.answer != second.answer
    assert other.choices == gr.skip(), "the keyboard keeps its place"
    assert emptied == (None, "", None), "a heatmap of the one never stands with the name of the other"
    for nonsense in (None, -1, 99, "0", 0.5, [0], 1):
        assert visitor.pick(visitor.events.choose_opinion, nonsense) == (*OpinionParts(), *NOTHING)
    assert session.opinion == 0
    visitor.events.sessions.clear(session)
    assert session.opinion is None, "a new file starts afresh"
