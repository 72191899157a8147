"""The page's events before the real pipeline with detectors of random weights: results, refusals, leavers, and strange requests."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import re
import shutil
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gradio as gr
import pytest
from PIL import Image

from attribution.detectors import loading
from attribution.detectors.loading import DEFAULT_DETECTOR
from attribution.errors import UnknownDetector
from attribution.evidence import Evidence, Opinion, Placement, Unusable, read_document
from attribution.evidence.types import Neighbour
from attribution.measured.study import ABSENT, UNREADABLE, ZEROSHOT_FILE
from attribution.media import decoder
from attribution.pipeline import Analysis, Pipeline, examine, load_pipeline
from attribution.render.files import Row
from attribution.text import areas as area_text
from attribution.text import files as files_text
from attribution.text import limits as limits_text
from attribution.text import opinions as opinion_text
from attribution.text import page as text
from attribution.web import examination, files, sections
from attribution.web.engine import Engine, Watched
from attribution.web.events import Events, Example
from attribution.web.results import FaceParts, FileParts
from attribution.web.sessions import Held, Session
from attribution.web.uploads import Uploads
from conftest import SWAP_SIDE_PX, Folders
from limits_samples import write_study
from samples import HOSTILE, MANIPULATED, REFUSED, SPECIALIST, Markup, is_inert, opinion, picture, swap_opinion, track

PORTRAIT = Path(__file__).resolve().parent.parent / "examples" / "astronaut.png"


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
        self.asked = 0

    @property
    def session(self) -> Session:
        return self.events.sessions.of(self.request)

    @property
    def evidence(self) -> Evidence:
        assert self.session.evidence is not None
        return self.session.evidence

    def give(self, file: Path, name: str | None = None) -> Any:
        """Upload a copy of the file, as Gradio would put it."""
        return self.events.take_upload([self.place(file, name)], self.request)

    def give_several(self, *files: Path) -> Any:
        return self.events.take_upload([self.place(file) for file in files], self.request)

    def place(self, file: Path, name: str | None = None) -> str:
        place = self.events.uploads.folder / "0a1b" / (name or file.name)
        place.parent.mkdir(exist_ok=True)
        shutil.copyfile(file, place)
        return str(place)

    def examine(self) -> list[tuple[Any, FileParts, FaceParts]]:
        """Every step: the status, and the parts of the file and of the face."""
        end = 2 + len(FileParts._fields)
        return [(step[0], FileParts(*step[2:end]), FaceParts(*step[end:])) for step in self.events.examine(self.request)]

    def see(self, file: Path, name: str | None = None) -> tuple[Any, FileParts, FaceParts]:
        """Upload, examine; the last step."""
        self.give(file, name)
        return self.examine()[-1]

    def have(self, found: Analysis) -> Visitor:
        """Have that result on the page."""
        self.session.show(found.evidence)
        self.session.tiles = found.tiles
        return self

    def look(self, section: str, **wish: Any) -> Any:
        """Open a section, or wish for something in it; what it gives: its markup, and a map where it may have one."""
        self.asked += 1
        given = self.pick(getattr(self.events, f"show_{section}"), self.asked, wish or None)
        markup = given[0] if isinstance(given, tuple) else given
        assert Markup(markup).of_class("tt-parts")[0]["data-number"] == str(self.asked)
        assert are_sound(markup)
        return given

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
    status, file, face = steps[-1]
    evidence = visitor.evidence
    assert visitor.left() == []
    assert status["visible"] is False
    assert file.result["visible"] is True
    assert text.STATES[evidence.verdict.state] in file.verdict
    assert are_sound(file.verdict, file.stage, face.face, face.bars)
    assert not visitor.session.heatmaps, "nothing is drawn that nobody asked for"
    records = visitor.look("records")
    assert evidence.media.sha256 in records
    assert "onerror=alert(1)" in Markup(records).words
    report, read_back = fetched(records)
    assert read_back.media == evidence.media
    assert read_back.verdict == evidence.verdict
    assert 'class="whole"' in report
    assert text.HEATMAP_WARNING in report, "the report holds the heatmap of the answer"
    method, places, _ = visitor.look("method")
    assert places["visible"] is True
    assert not Markup(method).of("img"), "without data there are no thumbnails"
    assert text.LIMITS_TITLE in visitor.look("limits") or text.UNMEASURED_TITLE in visitor.look("limits")


def test_an_example_is_examined_and_stays_and_none_is_ignored(visitor: Visitor) -> None:
    for index in (-1, 1, 99, None, "0", 0.5, [0]):
        assert visitor.pick(visitor.events.take_example, index) == gr.skip()
    assert visitor.events.take_upload(None, visitor.request) == (gr.skip(), gr.skip())
    assert visitor.examine() == [(gr.skip(), FileParts(), FaceParts())]
    for _ in range(2):
        visitor.pick(visitor.events.take_example, 0)
        assert "astronaut.png" in visitor.examine()[-1][1].stage
    assert visitor.events.examples[0].path.is_file()


def test_a_file_that_cannot_be_used_gets_one_sentence_and_the_next_one_a_verdict(
    visitor: Visitor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, content in {"text.jpg": b"This is no picture at all.", "empty.png": b"", "half.png": PORTRAIT.read_bytes()[:400]}.items():
        (tmp_path / name).write_bytes(content)
        status, file, _ = visitor.see(tmp_path / name)
        assert text.PROBLEM in status["value"]
        assert 'role="alert"' in status["value"]
        assert str(tmp_path) not in status["value"]
        assert "Traceback" not in status["value"]
        assert file.result["visible"] is False
        assert visitor.left() == []
    Image.new("RGB", (320, 240), (120, 130, 140)).save(tmp_path / "wall.png")
    _, file, face = visitor.see(tmp_path / "wall.png")
    assert text.STATES["inconclusive"] in file.verdict
    assert file.faces["visible"] is file.card["visible"] is False
    assert face == FaceParts()
    assert fetched(visitor.look("records"))[1].verdict.state == "inconclusive"
    monkeypatch.setattr(examination, "begin", lambda engine, upload: Watched(lambda progress: 1 / 0))
    status, _, _ = visitor.see(PORTRAIT)
    assert text.OUR_FAULT in status["value"]
    assert "division" not in status["value"]
    assert visitor.left() == []


def test_a_second_upload_replaces_one_that_waits_and_one_that_is_gone_is_said(visitor: Visitor, tmp_path: Path) -> None:
    (tmp_path / "first.txt").write_bytes(b"first")
    visitor.give(tmp_path / "first.txt")
    visitor.give(PORTRAIT)
    assert all(path.read_bytes() != b"first" for path in visitor.left())
    assert [one.name for one in visitor.session.waiting] == ["astronaut.png"]
    dropped, status = visitor.events.take_upload([str(visitor.events.uploads.folder / "gone.jpg")], visitor.request)
    assert dropped is None
    assert text.UPLOAD_GONE in status["value"]
    steps: Any = visitor.events.examine(visitor.request)
    next(steps)
    steps.close()
    visitor.events.leave(visitor.request)
    assert visitor.left() == [], "whoever leaves midway leaves nothing"
    assert visitor.session.evidence is None


def test_a_heatmap_of_any_class_comes_with_its_test_and_no_class_is_ignored(
    visitor: Visitor, portrait: Analysis, monkeypatch: pytest.MonkeyPatch
) -> None:
    label = visitor.have(portrait).evidence.detector.labels[1]
    where = Markup(visitor.look("where", label=label))
    face, heat = (one["src"] for one in where.of("img")[:2])
    assert face != heat
    assert text.HEATMAP_WARNING in where.words
    assert [one["value"] for one in where.of("option") if "selected" in one] == [label]
    assert len(where.of("option")) == len(visitor.evidence.detector.labels)
    for nothing in ("", "no such class", HOSTILE, 7, [label]):
        assert [one["value"] for one in Markup(visitor.look("where", label=nothing)).of("option") if "selected" in one] == [label]
    monkeypatch.setattr("attribution.pipeline.explain", lambda *anything, **named: 1 / 0)
    assert text.OUR_FAULT not in visitor.look("where", label=label), "kept, not drawn again"
    assert text.OUR_FAULT in visitor.look("where", label=visitor.evidence.detector.labels[0])


def test_pages_do_not_see_each_other_and_a_result_that_is_gone_is_said(
    visitor: Visitor, portrait: Analysis, warnings_shown: list[str]
) -> None:
    second = Visitor(visitor.events, "second")
    visitor.have(portrait)
    assert second.pick(second.events.choose, 0) == FaceParts()
    assert warnings_shown == [text.GONE]
    for section in ("where", "method", "others", "limits", "records"):
        given = second.look(section)
        assert text.GONE in (given[0] if isinstance(given, tuple) else given)
    for index, value in ((99, None), (0, "soon"), (0, float("nan"))):
        assert "Face 1" in visitor.pick(visitor.events.choose, index, value)[0]


def test_a_section_that_was_asked_for_again_is_not_given_for_the_face_before(visitor: Visitor, portrait: Analysis) -> None:
    visitor.have(portrait)
    visitor.look("where")
    visitor.session.asked["where"] = 99
    assert visitor.pick(visitor.events.show_where, 98) == gr.skip()
    assert "tt-parts" in visitor.pick(visitor.events.show_where, 100)


def test_thumbnails_come_from_the_readers_own_data_and_from_nowhere_else(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    for path, content in {"data/face.jpg": b"a face", "secret.jpg": b"", "data/notes.txt": b"", "data/huge.png": bytes(300_000)}.items():
        (tmp_path / path).write_bytes(content)
    paths = ("face.jpg", "../secret.jpg", str(tmp_path / "secret.jpg"), "notes.txt", "gone.jpg", "huge.png")
    bank: Any = SimpleNamespace(paths=paths)
    placement = Placement(0.0, 0.0, tuple(Neighbour(i, "real", "source", 0.1 * i) for i in range(len(paths))), 0.4)
    wanted = {0: "data:image/jpeg;base64," + base64.b64encode(b"a face").decode()}
    assert sections.thumbnails(placement, bank, data) == wanted
    assert sections.thumbnails(placement, bank, None) == sections.thumbnails(placement, None, data) == {}


@pytest.mark.parametrize("named", [".", "faces", "link"])
def test_thumbnails_are_found_from_a_folder_of_faces_and_from_the_one_above(tmp_path: Path, named: str) -> None:
    """Whether the bank names the folder that a picture lies in or not; and never outside of the named folder."""
    for folder in ("faces", "more", "no faces"):
        (tmp_path / "data" / folder / "train").mkdir(parents=True)
    for path in ("faces/manifest.csv", "more/manifest.csv", "faces/train/a.jpg", "more/train/b.jpg", "no faces/train/c.jpg"):
        (tmp_path / "data" / path).write_bytes(path.encode())
    (tmp_path / "data" / "link").symlink_to("faces", target_is_directory=True)
    (tmp_path / "secret.jpg").write_bytes(b"secret")
    (tmp_path / "data" / "faces" / "train" / "out.jpg").symlink_to(tmp_path / "secret.jpg")
    paths = (
        "faces/train/a.jpg", "train/a.jpg", "more/train/b.jpg", "train/b.jpg", "train/c.jpg", "more/train/a.jpg", "train/out.jpg",
        "faces/train/out.jpg", "faces/../../secret.jpg", "../secret.jpg", "faces", "",
    )  # fmt: skip
    bank: Any = SimpleNamespace(paths=paths)
    placement = Placement(0.0, 0.0, tuple(Neighbour(i, "real", "source", 0.1 * i) for i in range(len(paths))), 0.4)
    found = sections.thumbnails(placement, bank, tmp_path / "data" / named)
    shown = {paths[index]: base64.b64decode(uri.partition(",")[2]).decode() for index, uri in found.items()}
    own = {"faces/train/a.jpg": "faces/train/a.jpg", "train/a.jpg": "faces/train/a.jpg"}
    assert shown == own | ({"more/train/b.jpg": "more/train/b.jpg", "train/b.jpg": "more/train/b.jpg"} if named == "." else {})


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
    events = visitor.events
    _, _, face = visitor.see(PORTRAIT)
    assert opinion_text.BESIDE in face.face
    assert "tt-mosaic" in visitor.look("where"), "the patches of a consulted face are there at once"
    assert limits_text.SEE_ALL in visitor.look("limits")
    others, places, figure = visitor.look("others")
    assert "carries the evidence" in others
    assert "carries the evidence" in fetched(visitor.look("records"))[0]
    assert places["visible"] is True
    bank = pipeline.specialists[0].bank
    assert bank is not None
    assert sum(len(trace.x) for trace in figure.data if trace.meta != "examined") == len(bank.methods)
    assert [trace.name for trace in figure.data if trace.meta == "examined"] == ["Face 1"]
    page = Markup(asyncio.run(events.limits(ANYONE)))
    assert page.problem == ""
    assert len(page.of_class("tt-chapter")) == 2

    # Where it was not asked, it says why, and its patches are read on demand.
    (whole,) = visitor.evidence.tracks
    refused = replace(whole, opinions=(Opinion(whole.opinions[0].detector, REFUSED),))
    visitor.session.evidence = replace(visitor.evidence, tracks=(refused,))
    others, places, _ = visitor.look("others")
    assert REFUSED in others
    assert "tt-compare" not in others
    assert places["visible"] is False
    where = visitor.look("where")
    assert opinion_text.PATCH_BUTTON in where
    assert "tt-mosaic" not in where
    where = visitor.look("where", patches=True)
    assert opinion_text.PATCH_BUTTON not in where
    assert "tt-mosaic" in where
    report, read_back = fetched(visitor.look("records"))
    assert '<figure class="tt-mosaic"' in report
    assert read_back.tracks[0].opinions[0].patches is None, "they are part of no answer"
    monkeypatch.setattr(examination, "patches", lambda *anything, **named: 1 / 0)
    assert "tt-mosaic" in visitor.look("where", patches=True), "kept, not read again"
    visitor.session.patches.clear()
    where = visitor.look("where", patches=True)
    assert opinion_text.PATCH_OUR_FAULT in where
    assert 'role="alert"' in where
    assert opinion_text.PATCH_BUTTON in where
    visitor.session.tiles = ()
    assert opinion_text.PATCH_TITLE not in visitor.look("where"), "as in a clip"


def test_a_contradiction_stands_at_the_verdict_and_at_the_opinion_with_the_areas(
    visit: Callable[..., Visitor], consulted: Callable[..., Pipeline], default_folders: Folders, swap_folders: Folders
) -> None:
    visitor = visit(consulted(default=default_folders("real", SWAP_SIDE_PX), caddm=swap_folders("swapped")))
    _, file, face = visitor.see(PORTRAIT)
    assert text.STATES["inconclusive"] in file.verdict
    others, *_ = visitor.look("others")
    for part in (file.verdict, others):
        assert opinion_text.CONTRADICTED in part
        assert opinion_text.NEXT[0] in part
    assert Markup(face.face).of_class("tt-differs")
    where = visitor.look("where")
    assert "random-caddm" in where
    assert area_text.BOXES_NOT_MEASURED in where
    assert len(Markup(file.stage).of_class("tt-areas-of")) == 1
    assert are_sound(file.verdict, file.stage)
    assert area_text.HEATMAPS_NOT_MEASURED in others
    report, read_back = fetched(visitor.look("records"))
    assert opinion_text.CONTRADICTED in report
    assert 'class="tt-marked-crop"' in report
    assert read_back.tracks[0].artifacts == visitor.evidence.tracks[0].artifacts != ()


def test_a_chosen_detector_that_says_where_shows_its_areas_beside_its_own_heatmap(
    visit: Callable[..., Visitor], consulted: Callable[..., Pipeline], default_folders: Folders, swap_folders: Folders
) -> None:
    consulted(default=default_folders("landmark_swap", SWAP_SIDE_PX))
    visitor = visit(load_pipeline(str(swap_folders("swapped")), "cpu"))
    visitor.see(PORTRAIT)
    where = visitor.look("where")
    assert visitor.evidence.detector.name in where
    assert "tt-compare" in where


def test_two_opinions_can_both_be_seen_in_full(visit: Callable[..., Visitor], pipeline: Pipeline) -> None:
    """The detectors that gave them are not in the pipeline: what is said of them does without."""
    both = track(verdict=MANIPULATED, opinions=(swap_opinion(), Opinion(SPECIALIST, REFUSED), opinion(agreement="differs")))
    visitor = visit(pipeline)
    session = visitor.session
    session.show(picture(verdict=MANIPULATED, tracks=(both,)))
    others, *_ = visitor.look("others")
    assert sorted(int(one["data-opinion"]) for one in Markup(others).of("button")) == [0, 2]
    assert opinion_text.AGREEMENT["differs"] in others, "the one that differs comes first"
    other, *_ = visitor.look("others", opinion=0)
    assert opinion_text.AGREEMENT["differs"] not in other
    for nonsense in (None, -1, 99, "0", 0.5, [0], 1):
        visitor.look("others", opinion=nonsense)
    assert session.opinion == 0
    visitor.events.sessions.clear(session)
    assert session.opinion is None, "a new file starts afresh"


# Several files, and calling it off


@pytest.fixture
def given(tmp_path: Path) -> list[Path]:
    """Two pictures, one without a face, and one that is none."""
    paths = [tmp_path / name for name in ("portrait.png", "wall.png", "words.jpg")]
    shutil.copyfile(PORTRAIT, paths[0])
    Image.new("RGB", (320, 240), (120, 130, 140)).save(paths[1])
    paths[2].write_bytes(b"This is no picture at all.")
    return paths


def test_several_files_become_a_table_whose_rows_open_without_a_second_examination(
    visitor: Visitor, given: list[Path], warnings_shown: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, waiting = visitor.give_several(*given)
    assert text.WAITING in waiting["value"]
    steps = list(visitor.events.examine(visitor.request))
    said = " ".join(step[0].get("value", "") for step in steps)
    assert "File 2 of 3: wall.png" in said
    tables = [step[1]["value"] for step in steps if "data-open" in step[1].get("value", "")]
    assert [len(Markup(one).of("tr")) for one in tables] == [2, 3, 4, 4], "a row comes as soon as its file is done"
    assert [len(Markup(one).of("a")) for one in tables] == [0, 0, 0, 2]
    assert visitor.left() == []
    assert steps[-1][0]["visible"] is False
    names = [held.row.outcome for held in visitor.session.files]
    assert [isinstance(one, Unusable) for one in names] == [False, False, True]
    report, document = (base64.b64decode(link).decode() for link in re.findall(r'href="data:[^,]+,([^"]+)"', tables[-1]))
    assert report.splitlines()[-1].startswith("words.jpg,")
    assert read_document(json.loads(document)) == names
    monkeypatch.setattr(examination, "begin", lambda engine, upload: 1 / 0)
    for number in (1, 0):
        bar, *parts = visitor.pick(visitor.events.open_file, number)
        file = FileParts(*parts[: len(FileParts._fields)])
        assert given[number].name in bar["value"]
        assert text.STATES[visitor.evidence.verdict.state] in file.verdict
        assert file.result["visible"] is True
    assert "tt-compare" in visitor.look("where"), "its heatmap is drawn from what was held"
    again = visitor.events.again(visitor.request)
    assert again[0] == bar
    table, *parts = visitor.pick(visitor.events.open_file, -1)
    assert FileParts(*parts[: len(FileParts._fields)]).result["visible"] is False
    assert [one["data-open"] for one in Markup(table["value"]).of("button") if "data-last" in one] == ["0"]
    assert warnings_shown == []
    for nonsense in (2, 3, None, "0", 0.5):
        assert visitor.pick(visitor.events.open_file, nonsense) == (gr.skip(), *FileParts(), *FaceParts())
    assert warnings_shown == [text.GONE] * 5
    visitor.events.leave(visitor.request)
    assert visitor.session.files == []


def test_too_many_files_are_refused_together_and_a_detector_that_is_not_there_is_said_once(
    visit: Callable[..., Visitor], given: list[Path]
) -> None:
    visitor = visit(UnknownDetector("There is no such detector.", "Ask."))
    place = visitor.place(PORTRAIT)
    dropped, status = visitor.events.take_upload([place] * (files.MOST_FILES + 1), visitor.request)
    assert dropped is None
    assert str(files.MOST_FILES) in status["value"]
    assert visitor.left() == []
    assert visitor.session.waiting == ()
    visitor.give_several(*given)
    steps = list(visitor.events.examine(visitor.request))
    assert "There is no such detector." in steps[-1][0]["value"]
    assert visitor.session.files == []
    assert visitor.left() == []


def test_results_of_pages_that_were_idle_longest_give_room(visitor: Visitor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("attribution.web.sessions.MOST_HELD", 3)
    second, row = Visitor(visitor.events, "second"), Row(picture(MANIPULATED))
    for one in (visitor, visitor, second, second):
        one.events.sessions.hold(one.session, Held(row, Session()))
    assert [held.result is None for held in visitor.session.files] == [True, True]
    assert [held.result is None for held in second.session.files] == [False, False]
    assert visitor.session.open(0) is False


@pytest.mark.parametrize("moment", ["", text.WAITING, "Reading the file", "Looking for faces", "Examining", "File 2 of 3"])
def test_whatever_is_under_way_ends_within_two_seconds_of_being_called_off(
    visitor: Visitor, given: list[Path], monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    """`moment`: what the page says when its reader cancels; at first nothing, as the examination waits in the queue."""
    taking = decoder.take

    def take_and_stop() -> decoder.Decoder:
        worker = taking()
        os.kill(worker.process_id, signal.SIGSTOP)
        return worker

    if moment == "Reading the file":
        # It would take for ever.
        monkeypatch.setattr(decoder, "take", take_and_stop)
    before = set(threading.enumerate())
    assert visitor.events.cancel(visitor.request) == gr.skip(), "nothing is under way"
    visitor.give_several(*given) if moment.startswith("File") else visitor.give(PORTRAIT)
    began, status, table = 0.0, {}, {}
    if not moment:
        status = visitor.events.cancel(visitor.request)
        assert visitor.examine() == [(gr.skip(), FileParts(), FaceParts())], "what was said of it stays"
    for step in visitor.events.examine(visitor.request) if moment else ():
        if moment in step[0].get("value", "") and not began:
            began = time.monotonic()
            assert files_text.CANCELLED in visitor.events.cancel(visitor.request)["value"]
        status, table = step[0], step[1]
    still = [one for one in set(threading.enumerate()) - before if one.name == "examine"]
    for one in still:
        one.join(2)
    assert not any(one.is_alive() for one in still), "the work itself ends, too"
    assert not began or time.monotonic() - began < 2
    if moment.startswith("File"):
        assert files_text.CANCELLED_AFTER.format(done=1, total=3) in status["value"]
        assert len(Markup(table["value"]).of("tr")) == 2, "what was done stays"
    else:
        assert files_text.CANCELLED in status["value"]
        assert visitor.session.evidence is None
    assert visitor.left() == []
    assert not visitor.session.running
    monkeypatch.undo()
    assert text.STATES[visitor.see(PORTRAIT)[1].verdict and visitor.evidence.verdict.state], "the next file is examined"
