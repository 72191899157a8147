"""The panel where detectors are chosen: real engines with random detectors, a Hub on loopback, and what a browser should never send."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gradio as gr
import pytest

from attribution.detectors import loading
from attribution.detectors.loading import DEFAULT_DETECTOR
from attribution.detectors.spec import DetectorSpec, Selection
from attribution.text import detectors as text
from attribution.web.detector_panel import DetectorPanel, PanelParts
from attribution.web.engine import Engine
from attribution.web.events import Events
from attribution.web.sessions import MOST_SESSIONS
from attribution.web.uploads import Uploads
from conftest import SURE, write_detector
from foreign_detectors import change_config, write_timm_folder
from hub_server import Fault, LoopbackHub
from samples import HOSTILE, Markup, is_inert, plain

NOTHING = {"typed": "", "view": "", "meanings": {}}
SLOW = Fault("/store/", pause=0.02, piece=2**18)


@pytest.fixture(scope="module")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What stands for `weights/`: a default, and a second detector."""
    folder = tmp_path_factory.mktemp("weights")
    write_detector(folder / DEFAULT_DETECTOR, thresholds=SURE, name=DEFAULT_DETECTOR)
    write_detector(folder / "random-second", thresholds=SURE, favours="flux1", name="random-second")
    return folder


@pytest.fixture(scope="module")
def public(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folders of detectors of others, to be put on a Hub."""
    folder = tmp_path_factory.mktemp("public")
    write_timm_folder(folder / "told", ["Real", "Fake"])
    write_timm_folder(folder / "untold", ["LABEL_0", "LABEL_1"], seed=5)
    write_timm_folder(folder / "many", [f"class_{number}" for number in range(14)])
    write_timm_folder(folder / "damaged", ["Real", "Fake"])
    change_config(folder / "damaged", {"num_classes": 3, "label_names": ["Real", "Fake", "Other"]})
    return folder


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[LoopbackHub]:
    with LoopbackHub() as running:
        for name, value in running.environment().items():
            monkeypatch.setenv(name, value)
        yield running


@pytest.fixture(scope="module")
def default(embedded: Path) -> Engine:
    patch = pytest.MonkeyPatch()
    patch.setattr(loading, "EMBEDDED_FOLDER", embedded)
    engine = Engine("default", "cpu")
    assert engine.pipeline() is not None
    patch.undo()
    return engine


@pytest.fixture
def page(hub: LoopbackHub, default: Engine, embedded: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Page:
    monkeypatch.setattr(loading, "EMBEDDED_FOLDER", embedded)
    folder = tmp_path / "uploads"
    folder.mkdir()
    return Page(Events(Uploads(folder), default, []))


class Page:
    """One open page with its panel."""

    def __init__(self, events: Events, name: str = "page", panel: DetectorPanel | None = None) -> None:
        self.events = events
        self.panel = panel or DetectorPanel(events.sessions, events.engines)
        self.request: Any = SimpleNamespace(session_hash=name)

    @property
    def selection(self) -> Selection | None:
        return self.events.sessions.of(self.request).selection

    def toggle(self) -> tuple[str, str]:
        line, panel = asyncio.run(self.panel.toggle(self.request))
        return line, panel["value"]

    def act(
        self, what: Any, first: Any = "default", beside: Any = "", slot: Any = "", during: Callable[[], Any] | None = None,
        more: Mapping[str, Any] | None = None,
    ) -> list[Any]:  # fmt: skip
        """Every step of an event; `during` is called once, when a share of a download is told. Slots are option values, or all that the
        browser would say of one; `more` has those that were added."""
        said = {
            key: {**NOTHING, "chosen": one} if isinstance(one, str) else {**NOTHING, **one}
            for key, one in {"first": first, "beside": beside, **(more or {})}.items()
        }
        event: Any = SimpleNamespace(index=what, value={**said, "slot": slot})

        async def all_steps() -> list[Any]:
            steps, done = [], False
            async for parts in self.panel.act(event, self.request):
                steps.append(parts)
                if during is not None and not done and " MB" in shown(parts.progress):
                    during()
                    done = True
            return steps

        return asyncio.run(all_steps())

    def look(self, repository: str, slot: str = "first", **other: Any) -> list[Any]:
        return self.act("look", **{slot: {"chosen": "other", "typed": repository}}, slot=slot, **other)


def shown(update: Any) -> str:
    value = update.get("value") if isinstance(update, dict) else update
    return value if isinstance(value, str) else ""


def problem(steps: list[PanelParts]) -> str:
    """The sentence at the panel after the last step."""
    markup = shown(steps[-1].panel)
    if all(attributes.get("role") != "alert" for _, attributes in Markup(markup).tags):
        return ""
    return plain(markup[markup.index("tt-choose-problem") :].split("</p>")[0].split(">", 1)[1])


def test_the_panel_lists_what_there_is_and_asks_nobody(page: Page, hub: LoopbackHub) -> None:
    line, panel = page.toggle()
    assert 'aria-expanded="true"' in line
    assert DEFAULT_DETECTOR in plain(line)
    markup = Markup(panel)
    assert markup.problem == ""
    assert is_inert(panel)
    options = [one["value"] for one in markup.of("option")]
    assert options[0] == "default"
    assert {"random-second", "other", "hf:OwensLab/commfor-model-384"} <= set(options)
    # What cannot be used is said, and not offered.
    assert "hf:Wvolf/ViT_Deepfake_Detection" not in options
    assert "Wvolf/ViT_Deepfake_Detection" in plain(panel)
    assert hub.requests == []
    assert page.toggle()[1] == ""


def test_another_embedded_detector_is_used_for_the_next_file(page: Page) -> None:
    page.toggle()
    steps = page.act("use", "random-second", "default")
    last = steps[-1]
    assert problem(steps) == ""
    assert page.selection == Selection(DetectorSpec("random-second"), (DetectorSpec("default"),))
    assert "random-second" in plain(last.line)
    assert f"beside it {DEFAULT_DETECTOR}" in plain(last.line)
    assert f"random-second and {DEFAULT_DETECTOR} are ready on CPU" in plain(last.header)
    assert last.panel["visible"] is False
    # And back again.
    page.toggle()
    page.act("use", "default")
    assert page.selection is None


def test_a_repository_is_looked_up_then_downloaded_with_progress_then_used(page: Page, hub: LoopbackHub, public: Path) -> None:
    commit = hub.add("acme/told", public / "told", licence=HOSTILE[:60])
    page.toggle()
    steps = page.look("acme/told")
    panel = shown(steps[-1].panel)
    assert is_inert(panel)
    for part in (commit, "model.safetensors", "22.0 MB", text.LOOKED):
        assert part in plain(panel)
    assert not hub.asked("/store/")
    hub.faults.append(SLOW)
    steps = page.act("use", f"hf:acme/told@{commit}")
    bars = [attributes for step in steps for attributes in Markup(shown(step.progress)).of_class("tt-progress")]
    shares = [int(one["aria-valuenow"]) for one in bars if "aria-valuenow" in one]
    assert shares == sorted(shares)
    assert len(set(shares)) > 2
    assert "MB of 22.0 MB" in " ".join(one.get("aria-valuetext", "") for one in bars)
    assert page.selection == Selection(DetectorSpec(f"hf:acme/told@{commit}"))
    assert f"acme/told@{commit[:7]} is ready on CPU" in plain(steps[-1].header)


def test_a_cancelled_download_leaves_the_page_with_its_detector(page: Page, hub: LoopbackHub, public: Path) -> None:
    commit = hub.add("acme/told", public / "told")
    page.toggle()
    page.look("acme/told")
    hub.faults.append(SLOW)
    steps = page.act("use", f"hf:acme/told@{commit}", during=lambda: page.panel.cancel(page.request))
    assert problem(steps) == text.CANCELLED
    assert page.selection is None
    assert all(step.header == gr.skip() for step in steps)
    assert steps[-1].cancel["visible"] is False
    page.act("use", f"hf:acme/told@{commit}", during=lambda: page.events.leave(page.request))
    assert page.selection is None, "whoever leaves ends the download, too"


def test_labels_that_do_not_tell_are_asked_for(page: Page, hub: LoopbackHub, public: Path) -> None:
    commit = hub.add("acme/untold", public / "untold")
    name = f"hf:acme/untold@{commit}"
    page.toggle()
    page.look("acme/untold")
    steps = page.act("use", name)
    asked = [one["data-label"] for one in Markup(shown(steps[-1].panel)).of("select") if "data-label" in one]
    assert asked == ["LABEL_0", "LABEL_1"]
    assert text.ASK_TITLE in plain(shown(steps[-1].panel))
    for second, words in (("no meaning", text.ASK_ALL), ("real", text.BOTH_SIDES)):
        assert problem(page.act("use", {"chosen": name, "meanings": {"LABEL_0": "real", "LABEL_1": second}})) == words
    meanings = {"LABEL_0": "gan", "LABEL_1": "real"}
    steps = page.act("use", {"chosen": name, "meanings": meanings, "view": "face"})
    assert problem(steps) == ""
    assert page.selection == Selection(DetectorSpec(name, tuple(meanings.items()), "face"))
    pipeline = page.events.engines.of(page.selection).pipeline()
    assert pipeline is not None
    assert pipeline.predictor.info.families == ("gan", "real")
    assert pipeline.crop.view == "face"


def test_the_right_one_of_several_is_asked_about(page: Page, hub: LoopbackHub, public: Path) -> None:
    told, untold = (f"hf:acme/{name}@{hub.add(f'acme/{name}', public / name)}" for name in ("told", "untold"))
    page.toggle()
    page.look("acme/told")
    page.look("acme/untold", "beside", first=told)
    slots = shown(page.act("use", told, untold)[-1].panel).split('data-slot="beside"')
    assert "data-label" not in slots[0]
    assert 'data-label="LABEL_0"' in slots[1]
    page.act("add", "default", told)
    slots = shown(page.act("use", "default", told, more={"beside-2": untold})[-1].panel).split('data-slot="beside-2"')
    assert "data-label" not in slots[0]
    assert 'data-label="LABEL_0"' in slots[1]


def test_as_many_as_fit_are_chosen_beside_the_first_and_empty_places_go(page: Page, hub: LoopbackHub, public: Path) -> None:
    names = [f"hf:acme/{name}@{hub.add(f'acme/{name}', public / 'told')}" for name in ("told", "twin")]

    def places(steps: list[Any]) -> list[str]:
        return [one["data-slot"] for name, one in Markup(shown(steps[-1].panel)).tags if name == "div" and "data-slot" in one]

    page.toggle()
    steps = page.act("add", "default", "")
    assert places(steps) == ["first", "beside"], "there is room already"
    assert 'id="tt-choose-beside" aria-describedby="tt-choose-beside-hint" data-focus' in shown(steps[-1].panel)
    page.look("acme/told", "beside")
    chosen = {"beside-2": "random-second"}
    assert places(page.act("add", "default", names[0])) == ["first", "beside", "beside-2"]
    assert places(page.act("add", "default", names[0], more=chosen)) == ["first", "beside", "beside-2", "beside-3"]
    panel = shown(page.act("add", "default", names[0], more={**chosen, "beside-3": "other"})[-1].panel)
    assert "Compare with (4)" in plain(panel)
    assert 'data-do="add"' not in panel, "there is no room for more"
    assert problem(page.act("use", "default", names[0], more={**chosen, "beside-3": "random-second", "beside-4": ""})) == text.TWICE.format(
        detector="random-second"
    )
    steps = page.act("use", "default", "", more={**chosen, "beside-3": names[0]})
    assert problem(steps) == ""
    assert page.selection == Selection(DetectorSpec("default"), (DetectorSpec("random-second"), DetectorSpec(names[0])))
    line = f"{DEFAULT_DETECTOR}, and beside it random-second and acme/told@{names[0][-40:][:7]}"
    assert line in plain(steps[-1].line)
    page.events.engines.most = 1
    page.toggle()
    assert "at most 1" in problem(page.act("use", "default", "random-second", more={"beside-2": "", "beside-3": names[0]}))


def test_what_cannot_be_used_is_one_sentence_and_the_page_goes_on(
    page: Page, hub: LoopbackHub, public: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commits = {name: hub.add(f"acme/{name}", public / name) for name in ("many", "damaged")}
    hub.add("acme/gated", public / "told", gated=True)
    page.toggle()
    for repository, part in (("acme/nothing-here", "acme/nothing-here"), ("no name", "not the name"), ("  ", text.NAME_FIRST)):
        assert part in problem(page.look(repository))
    # A gated repository may be described to everybody: then the panel says so before anything is downloaded.
    panel = shown(page.look("acme/gated")[-1].panel)
    assert text.GATED in plain(panel)
    name = next(one["value"] for one in Markup(panel).of("option") if one["value"].startswith("hf:acme/gated@"))
    assert "gated" in problem(page.act("use", name))
    page.look("acme/many")
    assert "(14)" in problem(page.act("use", f"hf:acme/many@{commits['many']}"))
    page.look("acme/damaged")
    assert problem(page.act("use", "random-second", f"hf:acme/damaged@{commits['damaged']}")).count(".") >= 1
    assert page.selection is None
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert "offline" in problem(page.look("acme/told")).lower()
    assert problem(page.act("use", "random-second")) == ""
    assert page.selection == Selection(DetectorSpec("random-second"))


def test_what_no_panel_sends_is_refused_and_no_folder_of_the_server_can_be_asked_for(page: Page, public: Path) -> None:
    page.toggle()
    assert problem(page.act("use", "default", "default")) == text.TWICE.format(detector=DEFAULT_DETECTOR)
    assert problem(page.act("use", "other")) == text.NAME_FIRST
    assert problem(page.act("use", "hf:OwensLab/commfor-model-384")) == text.LOOK_FIRST
    strange = ({"first": {"chosen": "/etc"}, "beside": {"chosen": ""}}, {"first": {"chosen": ["default"]}, "beside": {}}, {"first": None})

    async def last(value: Any) -> list[Any]:
        event: Any = SimpleNamespace(index="use", value=value)
        return [parts async for parts in page.panel.act(event, page.request)]

    for value in (None, [], "use", *strange):
        assert problem(asyncio.run(last(value))) == text.STRANGE
    for name in (str(public / "told"), "hf:acme/told"):
        assert problem(page.act("use", name)) == text.STRANGE
    for slot in ("first", "nowhere"):
        assert problem(page.act("look", "random-second", slot=slot)) == text.STRANGE
    assert page.selection is None


def test_pages_do_not_see_each_other(page: Page) -> None:
    other = Page(page.events, "other", page.panel)
    page.toggle()
    assert page.act("use", "random-second")
    assert other.selection is None
    assert other.act("use", "random-second") == []
    for number in range(MOST_SESSIONS + 3):
        Page(page.events, f"page {number}", page.panel).panel.cancel(SimpleNamespace(session_hash=f"page {number}"))  # type: ignore[arg-type]
    assert len(page.events.sessions) <= MOST_SESSIONS


def test_the_line_of_a_new_page_names_its_detector(page: Page, tmp_path: Path) -> None:
    assert DEFAULT_DETECTOR in plain(asyncio.run(page.panel.opened(page.request)))
    broken = Events(page.events.uploads, Engine(str(tmp_path / "nothing"), "cpu"), [])
    assert text.NONE_READY in plain(asyncio.run(DetectorPanel(broken.sessions, broken.engines).opened(page.request)))
