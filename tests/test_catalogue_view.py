"""The panel of detectors as HTML: what is offered and what is not, what is said before anything is fetched, and words that stay words."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest

from attribution.detectors.catalogue import Entry
from attribution.detectors.spec import MEANINGS
from attribution.evidence import VIEWS
from attribution.render import detector_panel as view
from attribution.render.detector_panel import NONE, OTHER, OWN, Looked, Slot
from attribution.text import detectors as text
from attribution.text import numbers
from samples import HOSTILE, Markup, is_inert, plain

COMMIT = "0123456789abcdef0123456789abcdef01234567"
DEFAULT = Entry(
    OWN, "telltale-one", "embedded", "mobilenetv2_100", ("No manipulation", "Swap"), "MIT", "Which method.", 5_600_000, "face", True
)
CACHED = Entry(f"hf:acme/cached@{COMMIT}", "acme/cached", "cached", "resnet50", ("Real", "Fake"), "Apache-2.0", "Whether.", 90_000_000)
KNOWN = Entry("hf:acme/known", "acme/known", "known", "ViT", (), "", "Whether a picture was generated.")
REFUSED = Entry("hf:acme/pickle", "acme/pickle", "known", "ViT", (), "", "Whether.", refused="It has its weights as a pickle alone.")
ENTRIES = (DEFAULT, CACHED, KNOWN, REFUSED)


@dataclass(frozen=True)
class OneFile:
    name: str
    bytes: int


LOOKED = Looked(
    replace(KNOWN, name=f"hf:acme/known@{COMMIT}", licence="mit", bytes=22_000_308),
    COMMIT,
    (OneFile("config.json", 308), OneFile("model.safetensors", 22_000_000)),
    gated=True,
)


def slots(first: Slot | None = None, beside: Slot | None = None) -> dict[str, Slot]:
    return {"first": first or Slot(OWN), "beside": beside or Slot(NONE)}


def panel(*looked: Looked, first: Slot | None = None, beside: Slot | None = None, **more: object) -> str:
    drawn = view.panel(ENTRIES, looked, slots(first, beside), **more)  # type: ignore[arg-type]
    assert Markup(drawn).problem == ""
    assert is_inert(drawn)
    return drawn


def values(markup: str) -> list[str]:
    return [one["value"] for one in Markup(markup).of("option") if one["value"] not in ("", *MEANINGS, *VIEWS)]


def test_detectors_are_grouped_and_what_cannot_be_used_is_not_offered() -> None:
    markup = panel()
    groups = [one["label"] for one in Markup(markup).of("optgroup")]
    assert groups[: len(groups) // 2] == [text.GROUPS[one] for one in ("own", "cached", "known", "other")]
    first, beside = markup.split('data-slot="beside"')
    assert values(first) == [OWN, CACHED.name, KNOWN.name, OTHER]
    assert values(beside) == values(first)
    assert text.NO_SECOND in plain(beside)
    assert text.NO_SECOND not in plain(first)
    assert REFUSED.name not in values(markup)
    assert REFUSED.refused in plain(markup)


def test_every_control_has_a_name() -> None:
    markup = Markup(panel(LOOKED, first=Slot(LOOKED.entry.name, asked=("LABEL_0",))))
    labels = {one["for"] for one in markup.of("label") if "for" in one}
    named = [one for one in [*markup.of("select"), *markup.of("input")] if "id" in one]
    assert len(named) == 4
    assert {one["id"] for one in named} <= labels
    # Every other one stands inside its label.
    assert len(markup.of("label")) >= len(markup.of("select")) + len(markup.of("input"))


def test_a_repository_says_licence_commit_size_and_files_before_the_download() -> None:
    markup = panel(LOOKED, first=Slot(LOOKED.entry.name))
    for part in ("mit", COMMIT, "22.0 MB", "config.json", "308 bytes", "model.safetensors", text.LOOKED, text.GATED, text.NOT_MEASURED):
        assert part in plain(markup)
    option = next(one for one in Markup(markup).of("option") if one["value"] == LOOKED.entry.name)
    assert (option["data-needs"], option["data-bytes"]) == ("download", "22000308")
    # It stands in one group, not in two.
    assert KNOWN.name not in values(markup)
    here = panel(replace(LOOKED, is_here=True), first=Slot(LOOKED.entry.name))
    assert text.IS_HERE in plain(here)
    assert "download" not in {one.get("data-needs") for one in Markup(here).of("option")}


def test_the_hub_is_asked_only_after_a_click_and_the_panel_says_so() -> None:
    markup = panel(first=Slot(KNOWN.name))
    assert text.ASKS_NOW in plain(markup)
    assert plain(markup).count(text.LOOK) >= 2


def test_facts_of_the_chosen_one_alone_are_seen() -> None:
    markup = Markup(panel(first=Slot(CACHED.name)))
    seen = [one["data-for"] for one in markup.of_class("tt-facts") if "hidden" not in one]
    assert seen == [CACHED.name]


def test_a_measured_detector_and_one_that_is_not_are_told_apart() -> None:
    assert text.MEASURED in plain(view.facts(DEFAULT))
    assert text.NOT_MEASURED in plain(view.facts(CACHED))
    assert text.MEASURED_BY_CARD in plain(view.facts(replace(KNOWN, measured=True), LOOKED))
    assert "One face at a time" in plain(view.facts(DEFAULT))
    assert text.SEES_UNLESS in plain(view.facts(CACHED))


def test_many_labels_are_counted() -> None:
    words = plain(view.facts(replace(CACHED, labels=tuple(f"label {number}" for number in range(30)))))
    assert "label 7" in words
    assert "label 8" not in words
    assert "22 more" in words


def test_questions_offer_every_meaning_and_keep_what_was_said() -> None:
    markup = panel(first=Slot(CACHED.name, asked=("LABEL_0", "LABEL_1"), meanings={"LABEL_1": "real"}, view="face"))
    page = Markup(markup)
    assert [one["data-label"] for one in page.of("select") if "data-label" in one] == ["LABEL_0", "LABEL_1"]
    assert set(text.MEANINGS) == {"", *MEANINGS}
    assert [one["value"] for one in page.of("option") if "selected" in one][:4] == [CACHED.name, "", "real", "face"]


def test_a_problem_is_an_alert_and_gets_the_keyboard() -> None:
    markup = Markup(panel(problem="It is <damaged>.", focus="problem"))
    alert = next(one for _, one in markup.tags if one.get("role") == "alert")
    assert "data-focus" in alert
    assert "It is <damaged>." in markup.words
    assert not any(one.get("role") == "alert" for _, one in Markup(panel()).tags)


def test_a_busy_panel_cannot_be_used() -> None:
    assert "inert" in Markup(panel(busy=True)).of("section")[0]
    assert "inert" not in Markup(panel()).of("section")[0]


@pytest.mark.parametrize("share", [None, 0.0, 0.42, 1.0])
def test_progress_is_a_bar_with_words(share: float | None) -> None:
    markup = view.progress("acme/known", share, "9.2 MB of 22.0 MB")
    assert is_inert(markup)
    bar = next(one for _, one in Markup(markup).tags if one.get("role") == "progressbar")
    assert bar.get("aria-valuenow") == (None if share is None else f"{100 * share:.0f}")
    assert "9.2 MB of 22.0 MB" in plain(markup)


def test_the_line_names_the_detector_and_opens_the_panel() -> None:
    closed, opened = view.line("telltale-one", False), view.line("telltale-one", True, focus=True)
    assert Markup(closed).of("button")[0]["aria-expanded"] == "false"
    assert Markup(opened).of("button")[0]["aria-expanded"] == "true"
    assert "data-focus" in Markup(opened).of("button")[0]
    assert "telltale-one" in plain(closed)


def test_hostile_words_stay_words() -> None:
    bad = Entry(HOSTILE, HOSTILE, "cached", HOSTILE, (HOSTILE,), HOSTILE, HOSTILE, 3)
    looked = Looked(replace(bad, kind="known", name=f"hf:{HOSTILE}@x"), HOSTILE, (OneFile(HOSTILE, 1),))
    slot = Slot(looked.entry.name, HOSTILE, asked=(HOSTILE,), meanings={HOSTILE: "real"})
    drawn = view.panel((bad, replace(bad, refused=HOSTILE)), (looked,), slots(slot, slot), HOSTILE)
    for markup in (drawn, view.line(HOSTILE, False), view.progress(HOSTILE, 0.5, HOSTILE), view.facts(bad, looked)):
        assert is_inert(markup)
        assert Markup(markup).problem == ""


def test_names_are_short_where_people_read_them() -> None:
    assert text.called("acme/eye", f"hf:acme/eye@{COMMIT}") == "acme/eye@0123456"
    assert text.called("telltale-x", f"hf:acme/eye@{COMMIT}") == "telltale-x (acme/eye@0123456)"
    assert text.called("telltale-x", "") == "telltale-x"
    assert text.short(f"hf:acme/eye@{COMMIT}") == "acme/eye@0123456"
    assert text.short("hf:acme/eye@v1") == "acme/eye@v1"
    assert (numbers.size(None), numbers.size(308), numbers.size(22_000_308), numbers.size(2_500_000_000)) == (
        numbers.SIZE_UNKNOWN,
        "308 bytes",
        "22.0 MB",
        "2.5 GB",
    )
