"""Sentences in the reader's language: what is collected for translators, and that pages say nothing that nobody can translate."""

from __future__ import annotations

import ast
import json
import pickle
import re
import threading
from collections.abc import Callable
from contextvars import copy_context
from dataclasses import replace
from pathlib import Path

import pytest

import samples as s
from attribution import errors, messages
from attribution.detectors import hub
from attribution.detectors.catalogue import Entry
from attribution.evidence import Evidence, Unusable
from attribution.lab import words
from attribution.measured.study import Study
from attribution.media import magic
from attribution.messages import LANGUAGES, Message, reading_in, said
from attribution.messages import gettext as _
from attribution.render import detector_panel
from attribution.render.detector_panel import OTHER, OWN, Looked, Slot
from attribution.render.html import quoted
from attribution.render.report import report_html
from attribution.text import limits, numbers
from attribution.text.reasons import REASONS, reason
from attribution.web.engine import sentence_of
from limits_samples import STUDY, card, generator_card, swap_card
from pseudo import pseudo_language, untranslated

PRODUCT = Path(__file__).resolve().parent.parent / "attribution"
SAMPLES = (*s.NAMES, *s.LABELS, s.DETECTOR.name, s.SPECIALIST.name, s.SWAPS.name, "photo.jpg", "clip.mp4", "song.mp3")
STATED = ("source_0", "source_1", "source_2", "0123456789abcdef" * 4, "fedcba9876543210" * 4, "ab" * 32, "JPEG", "mp4 (h264)")
STUDIED = ("Meso4", "MesoInception4", "ShallowNetV3", "EfficientNet-B0", "Xception")
HUB_NAMES = ("acme/eye", "acme/known@0123456", "acme/pickle", "mobilenetv2_100", "resnet50", *(f"LABEL_{n}" for n in range(20)))
"""Names in the samples."""
ENTRIES = (
    Entry(OWN, "test-net", "embedded", "mobilenetv2_100", s.NAMES, "CC0-1.0", "", 5_600_000, "face", True),
    Entry("acme/eye", "acme/eye", "cached", "resnet50", tuple(f"LABEL_{n}" for n in range(20)), "MIT", "", 90_000_000),
    Entry(f"hf:acme/known@{s.COMMIT}", "acme/known", "known", "", (), "", ""),
    Entry("hf:acme/pickle", "acme/pickle", "known", "", (), "", "", refused="No."),
)
SMALL = reason("face_too_small", width=41.3, needed=60.0)
"""Names in the samples."""


def spoken(evidence: Evidence) -> Evidence:
    """Sample evidence with reasons of ours."""
    verdict = replace(evidence.verdict, reasons=(SMALL,))
    tracks = tuple(replace(track, verdict=replace(track.verdict, reasons=(SMALL,))) for track in evidence.tracks)
    return replace(evidence, verdict=verdict, tracks=tracks, media=replace(evidence.media, notes=(reason("hdr"),)))


def computed(source: str) -> list[int]:
    """Lines with a message whose English is made while the program runs, so that nobody can collect it."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("_", "gettext", "ngettext", "pgettext"):
            forms = node.args[:1] if node.func.id in ("_", "gettext") else node.args[:2]
            found += [node.lineno for form in forms if not (isinstance(form, ast.Constant) and isinstance(form.value, str))]
    return found


def test_every_message_stands_in_the_code_as_it_is_translated() -> None:
    paths = [path for path in PRODUCT.rglob("*.py") if PRODUCT / "lab" not in path.parents]
    assert [f"{path.name}:{line}" for path in paths for line in computed(path.read_text(encoding="utf-8"))] == []
    assert computed('_("a")\n_(f"a {b}")\nngettext("a", b, 2)\n_("a".format(b=1))') == [2, 3, 4]


def test_code_templates_and_data_are_collected_and_the_lab_is_not(tmp_path: Path) -> None:
    found = set(words.sentences())
    card_of_ours = json.loads(next(PRODUCT.parent.glob("weights/*/card.json")).read_text(encoding="utf-8"))
    assert {("data", limit) for limit in card_of_ours["limits"]} <= found
    assert {("", one.form if not one.plural else (one.form, one.plural)) for one in REASONS.values()} <= found
    assert {("", str(one)) for one in (*limits.TITLES.values(), *limits.READING.values()) if one} <= found
    assert ("", ("{count} byte", "{count} bytes")) in found
    assert not any("METHOD_OF_SOURCE" in str(said) for _context, said in found)
    template = tmp_path / "a.html"
    template.write_text('<p title="{{ _("A title") }}">{{ ngettext("{count} face", "{count} faces", 3) }}</p>', encoding="utf-8")
    assert list(words.called_in(template)) == [("", "A title"), ("", ("{count} face", "{count} faces"))]


def test_messages_and_errors_go_to_other_processes_and_threads() -> None:
    for one in (SMALL, reason("few_views", count=1, least=3), numbers.listed([SMALL, "a"]), numbers.percent(0.999), numbers.seconds(65.2)):
        again = pickle.loads(pickle.dumps(one))
        assert (str(again), type(again), again.said()) == (str(one), type(one), one.said())
    error = pickle.loads(pickle.dumps(errors.UnmappedLabels(SMALL, reason("scale_down"), ("a", "b"))))
    assert (str(error), error.labels) == (f"{SMALL} Scale it down first.", ("a", "b"))
    assert isinstance(error.what, Message)
    with reading_in("fr"):
        heard: list[str] = []
        thread = threading.Thread(target=copy_context().run, args=(lambda: heard.append(said(numbers.decimal(0.5, 1))),))
        thread.start()
        thread.join()
    assert heard == ["0,5"]


def test_figures_are_written_as_the_language_writes_them_and_the_english_stays() -> None:
    with reading_in("de"):
        made = reason("not_sure", p=0.8123, above=0.97, below=0.005)
        assert "under 1" in str(made)
        assert said(numbers.seconds(65.2)) == "1:05,2"
        assert said(numbers.significant(0.00123)) == "0,00123"
        assert said(numbers.pixels(20_000)) == "20000"
        assert said(numbers.size(1_500_000)).startswith("1,5")
    assert str(made) == said(made)


def test_sentences_of_others_are_marked_and_never_taken_for_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    assert quoted("It misses 9 of 10 & more.") == "It misses 9 of 10 &amp; more."
    with reading_in("de"):
        foreign = quoted("It misses 9 & 10.")
        assert 'lang="en"' in foreign, "nobody has translated it"
        assert "It misses 9 &amp; 10.</span>" in foreign
    with pseudo_language(monkeypatch):
        assert quoted("It misses.") == "⟦It misses.⟧"
        assert 'lang="en"' in quoted("It misses.", ours=False)
        assert quoted(SMALL, ours=False) == SMALL.said(), "what we say of others is ours"


def test_an_error_says_itself_in_english_and_in_the_language_of_the_reader(monkeypatch: pytest.MonkeyPatch) -> None:
    def raised(what: Callable[[], object]) -> errors.TelltaleError:
        with pytest.raises(errors.TelltaleError) as caught:
            what()
        return caught.value

    with pseudo_language(monkeypatch):
        found = [
            raised(lambda: magic.recognise(b"BM")),
            raised(lambda: magic.recognise(b"RIFF\x24\x00\x00\x00WAVEfmt ")),
            raised(lambda: hub.parse("no repository")),
            raised(lambda: replace(s.DETECTOR, labels=())),
            errors.damaged("the file x is not JSON"),
            errors.unreadable("it is quantised"),
        ]
        for error in found:
            assert untranslated(said(sentence_of(error)), "⟧") == []
            assert "⟦" not in str(error)
            assert "⟦" not in json.dumps(Unusable("a", error.sentence).to_json())


def test_the_marks_find_what_cannot_be_translated(monkeypatch: pytest.MonkeyPatch) -> None:
    page = '<p title="Bare">⟦A <b>b⟦c⟧</b> d⟧ x 5 px</p><p lang="en">English</p><img alt="⟦a⟧"><code>code</code>StyleGAN2 <i>more'
    assert untranslated(page, "StyleGAN2") == ["Bare", "d⟧ x 5 px", "more"]


def drawn_report() -> str:
    outcomes = [
        spoken(s.picture(s.MANIPULATED, s.NONE_FOUND)),
        spoken(s.picture(s.INCONCLUSIVE)),
        spoken(s.clip()),
        Unusable("song.mp3", _("There is no such file.")),
        spoken(s.picture()),
    ]
    return report_html(outcomes, {(0, 0): s.heatmap(), (2, 1): s.heatmap("real")}, {0: s.noise(100, 200)})


def drawn_limits() -> str:
    from attribution.measured.limits import limits_page

    return limits_page(card(), Study(STUDY), [generator_card(), swap_card()])


def drawn_failures() -> str:
    from attribution.measured.failures import failures_page
    from attribution.measured.study import ZEROSHOT_FILE, ZEROSHOT_SCHEMA, read_study

    return failures_page(read_study(ZEROSHOT_FILE, ZEROSHOT_SCHEMA))


def drawn_panel() -> str:
    slots = {"first": Slot(ENTRIES[1].name, asked=("LABEL_0",)), "beside": Slot(OTHER)}
    answers = [replace(one, answers=_("Which method made or manipulated a face."), refused=one.refused and SMALL) for one in ENTRIES]
    looked = Looked(answers[2], s.COMMIT, tuple(hub.HubFile(name, 308, f"git:{s.COMMIT}") for name in hub.FILES[:2]), gated=True)
    failed = errors.unreadable("it is quantised").sentence
    drawn = detector_panel.panel(answers, [looked], slots, problem=failed)
    told = [detector_panel.progress("acme/eye", share, _("Reading the file")) for share in (None, 0.5)]
    return "".join((drawn, *told, *(detector_panel.line("acme/eye", is_open) for is_open in (True, False))))


@pytest.mark.parametrize("draw", [drawn_report, drawn_limits, drawn_failures, drawn_panel], ids=lambda one: one.__name__[6:])
def test_pages_say_nothing_that_nobody_can_translate(monkeypatch: pytest.MonkeyPatch, draw: Callable[[], str]) -> None:
    with pseudo_language(monkeypatch):
        markup = draw()
    assert untranslated(markup, *SAMPLES, *STATED, *HUB_NAMES, *STUDIED, s.picture().created_utc) == []


def test_english_is_what_it_was_and_every_language_has_its_plurals() -> None:
    for code in LANGUAGES:
        if code != "en":
            catalogue = words.read(code)
            assert catalogue.locale_identifier == code
            assert catalogue.num_plurals == (6 if code == "ar" else 2)
    assert messages.language() == "en"
    assert re.fullmatch(r"The face is only 41 px wide; at least 60 px are needed\.", SMALL)


@pytest.mark.parametrize("code", [code for code in LANGUAGES if code != "en"])
def test_every_sentence_is_in_every_catalogue_and_translated_with_the_same_figures(code: str) -> None:
    lab_words = "run: python -m attribution lab words"
    text, catalogue = words.catalogue(code).read_text(encoding="utf-8"), words.read(code)
    assert text == words.written(words.updated(code), code), lab_words
    assert not catalogue.obsolete, lab_words
    assert words.missing(catalogue) == []
    assert [one.id for one in catalogue if one.id and one.fuzzy] == []
    assert words.misplaced(catalogue) == []
