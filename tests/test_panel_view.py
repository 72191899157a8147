"""The panel of detectors as HTML: what is offered and what is not, what is said before anything is fetched, and what has to be asked."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

from attribution.detectors.catalogue import Entry
from attribution.detectors.spec import MEANINGS
from attribution.evidence import VIEWS
from attribution.render import detector_panel as view
from attribution.render.detector_panel import NONE, OTHER, OWN, Looked, Slot
from attribution.text import detectors as text
from samples import COMMIT, Markup, plain, said

LABELS = ("No manipulation", "Swap")
DEFAULT = Entry(OWN, "telltale-one", "embedded", "mobilenetv2_100", LABELS, "MIT", "Which method.", 5_600_000, "face", True)
CACHED = Entry(f"hf:acme/cached@{COMMIT}", "acme/cached", "cached", "resnet50", ("Real", "Fake"), "Apache-2.0", "Whether.", 90_000_000)
KNOWN = Entry("hf:acme/known", "acme/known", "known", "ViT", (), "", "Whether a picture was generated.")
REFUSED = Entry("hf:acme/pickle", "acme/pickle", "known", "ViT", (), "", "Whether.", refused="It has its weights as a pickle alone.")
FILES: Any = (SimpleNamespace(name="config.json", bytes=308), SimpleNamespace(name="model.safetensors", bytes=22_000_000))
LOOKED = Looked(replace(KNOWN, name=f"hf:acme/known@{COMMIT}", licence="mit", bytes=22_000_308), COMMIT, FILES, gated=True)


def panel(*looked: Looked, first: Slot | None = None, beside: Slot | None = None, **more: object) -> str:
    slots = {"first": first or Slot(OWN), "beside": beside or Slot(NONE)}
    drawn = view.panel((DEFAULT, CACHED, KNOWN, REFUSED), looked, slots, **more)  # type: ignore[arg-type]
    assert said(drawn)
    return drawn


def values(markup: str) -> list[str]:
    return [one["value"] for one in Markup(markup).of("option") if one["value"] not in ("", *MEANINGS, *VIEWS)]


def with_role(markup: str, role: str) -> list[dict[str, str]]:
    return [attributes for _, attributes in Markup(markup).tags if attributes.get("role") == role]


def test_detectors_are_grouped_and_what_cannot_be_used_is_not_offered() -> None:
    markup = panel(first=Slot(CACHED.name))
    groups = [one["label"] for one in Markup(markup).of("optgroup")]
    assert groups[: len(groups) // 2] == [text.GROUPS[one] for one in ("own", "cached", "known", "other")]
    first, beside = markup.split('data-slot="beside"')
    assert values(first) == values(beside) == [OWN, CACHED.name, KNOWN.name, OTHER]
    assert text.NO_SECOND in plain(beside)
    assert text.NO_SECOND not in plain(first)
    assert REFUSED.refused in plain(markup)
    assert [one["data-for"] for one in Markup(markup).of_class("tt-facts") if "hidden" not in one] == [CACHED.name]


def test_every_control_has_a_name() -> None:
    markup = Markup(panel(LOOKED, first=Slot(LOOKED.entry.name, asked=("LABEL_0",))))
    labels = {one["for"] for one in markup.of("label") if "for" in one}
    named = [one for one in [*markup.of("select"), *markup.of("input")] if "id" in one]
    assert len(named) == 4
    assert {one["id"] for one in named} <= labels
    assert len(markup.of("label")) >= len(markup.of("select")) + len(markup.of("input")), "every other one stands inside its label"


def test_a_repository_says_licence_commit_size_and_files_before_the_download() -> None:
    markup = panel(LOOKED, first=Slot(LOOKED.entry.name))
    for part in ("mit", COMMIT, "22.0 MB", "config.json", "308 bytes", "model.safetensors", text.LOOKED, text.GATED, text.NOT_MEASURED):
        assert part in plain(markup)
    option = next(one for one in Markup(markup).of("option") if one["value"] == LOOKED.entry.name)
    assert (option["data-needs"], option["data-bytes"]) == ("download", "22000308")
    assert KNOWN.name not in values(markup), "it stands in one group, not in two"
    here = panel(replace(LOOKED, is_here=True), first=Slot(LOOKED.entry.name))
    assert text.IS_HERE in plain(here)
    assert "download" not in {one.get("data-needs") for one in Markup(here).of("option")}
    asks = plain(panel(first=Slot(KNOWN.name)))
    assert text.ASKS_NOW in asks, "the Hub is asked only after a click"
    assert asks.count(text.LOOK) >= 2


def test_a_measured_detector_and_one_that_is_not_are_told_apart_and_many_labels_are_counted() -> None:
    ours, others = said(view.facts(DEFAULT)), said(view.facts(CACHED))
    assert text.MEASURED in ours
    assert text.SEES["face"] in ours
    assert text.NOT_MEASURED in others
    assert text.SEES_UNLESS in others
    assert text.MEASURED_BY_CARD in said(view.facts(replace(KNOWN, measured=True), LOOKED))
    words = said(view.facts(replace(CACHED, labels=tuple(f"label {number}" for number in range(30)))))
    assert ["label 7" in words, "label 8" in words, "22 more" in words] == [True, False, True]


def test_questions_offer_every_meaning_and_keep_what_was_said() -> None:
    page = Markup(panel(first=Slot(CACHED.name, asked=("LABEL_0", "LABEL_1"), meanings={"LABEL_1": "real"}, view="face")))
    assert [one["data-label"] for one in page.of("select") if "data-label" in one] == ["LABEL_0", "LABEL_1"]
    assert set(text.MEANINGS) == {"", *MEANINGS}
    assert [one["value"] for one in page.of("option") if "selected" in one][:4] == [CACHED.name, "", "real", "face"]


def test_a_problem_is_an_alert_with_the_keyboard_and_a_busy_panel_cannot_be_used() -> None:
    failed = panel(problem="It is <damaged>.", focus="problem")
    (alert,) = with_role(failed, "alert")
    assert "data-focus" in alert
    assert "It is <damaged>." in plain(failed)
    assert not with_role(panel(), "alert")
    assert [("inert" in Markup(one).of("section")[0]) for one in (panel(busy=True), panel())] == [True, False]


def test_progress_is_a_bar_with_words_and_the_line_names_the_detector_and_opens_the_panel() -> None:
    for share, shown in ((None, None), (0.0, "0"), (0.42, "42"), (1.0, "100")):
        markup = view.progress("acme/known", share, "9.2 MB of 22.0 MB")
        assert "9.2 MB of 22.0 MB" in said(markup)
        (bar,) = with_role(markup, "progressbar")
        assert bar.get("aria-valuenow") == shown
    closed, opened = view.line("telltale-one", False), view.line("telltale-one", True, focus=True)
    assert [Markup(one).of("button")[0]["aria-expanded"] for one in (closed, opened)] == ["false", "true"]
    assert "data-focus" in Markup(opened).of("button")[0]
    assert "telltale-one" in said(closed)


def test_names_are_short_where_people_read_them() -> None:
    assert text.called("acme/eye", f"hf:acme/eye@{COMMIT}") == text.short(f"hf:acme/eye@{COMMIT}") == "acme/eye@0123456"
    assert text.called("telltale-x", f"hf:acme/eye@{COMMIT}") == "telltale-x (acme/eye@0123456)"
    assert (text.called("telltale-x", ""), text.short("hf:acme/eye@v1")) == ("telltale-x", "acme/eye@v1")
