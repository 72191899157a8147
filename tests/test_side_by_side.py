"""Several detectors that the reader chose: who is asked, what they say as one table and as one sentence, and how many stay in memory."""

from __future__ import annotations

import gc
import json
import weakref
from collections import Counter
from dataclasses import replace
from itertools import combinations_with_replacement
from pathlib import Path
from typing import Any

import pytest

import samples as s
from attribution.cli import _summary, main
from attribution.detectors.spec import DetectorSpec, Selection
from attribution.errors import UnmappedLabels, UnusableDetector
from attribution.evidence import Opinion, TrackEvidence, Verdict, document, read_document
from attribution.messages import LANGUAGES, reading_in, said
from attribution.pipeline import examine, load_pipeline
from attribution.render import opinion as opinion_view
from attribution.render.report import report_html
from attribution.render.side_by_side import side_by_side
from attribution.text import opinions as text
from attribution.text import page as page_text
from attribution.web.engine import Engine, Engines
from foreign_detectors import write_timm_folder
from samples import Markup

ROOT = Path(__file__).resolve().parent.parent
PORTRAIT = str(ROOT / "examples" / "grace_hopper.jpg")
STATES = {"manipulated": s.MANIPULATED, "no_manipulation_found": s.NONE_FOUND, "inconclusive": s.INCONCLUSIVE, "": None}
WORDS = {"manipulated": "finds? a manip", "no_manipulation_found": "finds? (none|no manip)", "inconclusive": "gives? no def", "": "cannot"}


def chosen(*opinions: Opinion, verdict: Verdict = s.MANIPULATED, **changes: Any) -> TrackEvidence:
    return s.track(verdict=verdict, opinions=tuple(replace(one, asked_for=True) for one in opinions), **changes)


def stated(state: str) -> Opinion:
    """What a detector of others says that finds that; nothing where it cannot judge the face."""
    verdict = STATES[state]
    return s.foreign_opinion(verdict) if verdict is not None else Opinion(s.FOREIGN, "It looks at faces.")


# In one sentence


@pytest.mark.parametrize("count", [2, 3, 4])
def test_the_sentence_counts_every_mixture_of_answers_in_every_language(count: int) -> None:
    seen = set()
    for states in combinations_with_replacement(STATES, count):
        sentence = text.how_many(states)
        assert sentence == text.how_many(states[::-1]), "whoever stands first"
        numbers = Counter(int(word) for word in sentence.rstrip(".").replace(",", "").split() if word.isdigit())
        if len(set(states)) > 1:
            assert numbers == Counter([*Counter(states).values(), count]), sentence
        else:
            assert sentence.startswith(("All", "None", "Both", "Neither"))
        assert str(sentence).count(".") == 1
        spoken = []
        for code in LANGUAGES:
            with reading_in(code):
                spoken.append(said(sentence))
        assert len(set(spoken)) == len(LANGUAGES), "translated"
        seen.add(str(sentence))
    assert len(seen) == len(list(combinations_with_replacement(STATES, count)))


@pytest.mark.parametrize(
    ("states", "sentence"),
    [
        (("manipulated", "manipulated", "no_manipulation_found"), "2 of 3 detectors find a manipulation and 1 finds none."),
        (("no_manipulation_found", "", ""), "1 of 3 detectors finds no manipulation and 2 cannot judge this face."),
        (("inconclusive", "inconclusive", ""), "2 of 3 detectors give no definite answer and 1 cannot judge this face."),
    ],
)  # fmt: skip
def test_the_sentence_says_who_found_what(states: tuple[str, ...], sentence: str) -> None:
    assert text.how_many(states) == sentence


def test_the_first_answer_counts_as_it_was_before_others_were_weighed_in_and_what_is_part_of_it_once() -> None:
    disputed = s.disputed()
    overturned = replace(disputed, opinions=tuple(replace(one, asked_for=True) for one in disputed.opinions))
    assert overturned.verdict.state == "inconclusive"
    assert opinion_view.together(overturned) == "1 of 2 detectors finds a manipulation and 1 finds none."
    common = s.answered_together(replace(s.foreign_opinion(), asked_for=True))
    also = replace(common, opinions=tuple(replace(one, asked_for=True) for one in common.opinions))
    assert opinion_view.together(common) == opinion_view.together(also) == text.ALL_OF_TWO["manipulated"]
    assert opinion_view.together(s.answered_together()) == "", "nobody was chosen"


# As a table


def rows(markup: str) -> list[list[str]]:
    """The words of the cells of each row."""
    body = str(markup).split("<tbody", 1)[1].split("</tbody>")[0]
    return [[s.plain(cell.split(">", 1)[1]) for cell in row.replace("<th ", "<td ").split("<td ")[1:]] for row in body.split("<tr ")[1:]]


def test_the_table_says_what_each_looks_for_whether_it_was_measured_and_what_it_answers() -> None:
    one = chosen(s.foreign_opinion(), s.swap_opinion(s.NONE_FOUND, "differs"), Opinion(s.SPECIALIST, s.REFUSED))
    markup = side_by_side(one, s.DETECTOR, "Face 1 of 2", link=True)
    words = s.said(markup)
    for part in ("Face 1 of 2", "2 of 4 detectors find a manipulation, 1 finds none and 1 cannot judge this face.", text.STRANGERS):
        assert part in words
    first, foreign, swaps, refused = rows(markup)
    assert first == ["test-net", "Face swap, GAN-generated and Diffusion-generated", "Yes", "ManipulatedLandmark face swap", "95 %", ""]
    name = f"acme/eye@{s.COMMIT[:7]}"
    found = f"Manipulated{page_text.NOT_TOLD}"
    assert foreign == [name, text.WITHOUT_METHOD, "No", found, "not calibrated", "Finds a manipulation, too"]
    assert swaps == ["CADDM", "Face swap", "Yes", "No manipulation found", "10 %", "Disagrees"]
    assert refused[3:] == [s.REFUSED.replace("telltale-dna-det", "DNA-Det"), "", ""]
    assert [link["href"] for link in Markup(markup).of("a")] == ["#tt-others"] * 2, "there is nothing to see of who was not asked"
    assert not Markup(side_by_side(one, s.DETECTOR)).of("a")


def test_no_number_that_was_not_calibrated_is_given_and_none_is_made_of_several() -> None:
    first = replace(s.DETECTOR, measured=False)
    markup = side_by_side(chosen(s.foreign_opinion(), s.foreign_opinion(s.NOTHING)), first)
    assert "%" not in s.said(markup)
    assert side_by_side(s.track(verdict=s.MANIPULATED, opinions=(s.swap_opinion(),)), s.DETECTOR) == "", "nobody chose it"


@pytest.mark.parametrize(
    ("opinion", "words"),
    [
        (s.swap_opinion(s.SWAPPED, "same family"), "Agrees on the kind"),
        (s.swap_opinion(s.SWAPPED, "same method"), "Agrees"),
        (s.opinion(s.GENERATED, "differs"), "Names another kind"),
        (s.swap_opinion(s.INCONCLUSIVE, "undecided"), "Cannot be compared"),
        (s.swap_opinion(s.SWAPPED, "same family", combined=True), "Is part of the first answer"),
    ],
)
def test_every_answer_is_compared_with_the_first_one(opinion: Opinion, words: str) -> None:
    assert rows(side_by_side(chosen(opinion), s.DETECTOR))[1][5] == words


def test_on_the_face_and_in_the_report_stand_the_sentence_and_the_table() -> None:
    one = chosen(s.foreign_opinion(), s.swap_opinion(s.NONE_FOUND, "differs"))
    line = opinion_view.beside(one)
    assert len(Markup(line).of("p")) == 1, "one line for all"
    assert "2 of 3 detectors find a manipulation and 1 finds none. See what they say" in s.said(line)
    assert Markup(line).of_class("tt-differs")
    assert opinion_view.beside(one, tabled=True) == "", "the table says it already"
    report = report_html([s.picture(verdict=s.MANIPULATED, tracks=(one, chosen(s.foreign_opinion(s.NOTHING, "differs"))))])
    assert report.count('<table role="table"') == 2
    assert "1 of 2 detectors finds a manipulation and 1 finds none." in s.said(report)


# Real detectors


@pytest.fixture(scope="module")
def embedded() -> Any:
    """What the detectors that come with Telltale say of the portrait, two of them chosen beside the first."""
    pipeline = load_pipeline("default", "cpu", ["telltale-swap", DetectorSpec("telltale-dna-det")])
    return pipeline, examine(PORTRAIT, pipeline).evidence


def test_embedded_detectors_are_asked_once_each_and_say_that_they_were_chosen(embedded: Any) -> None:
    pipeline, evidence = embedded
    (track,) = evidence.tracks
    names = [one.detector.name for one in track.opinions]
    assert len(set(names)) == len(names)
    assert [one.detector.name for one in track.opinions if one.asked_for] == ["telltale-swap", "telltale-dna-det"]
    assert all(one.verdict is not None for one in track.opinions if one.asked_for)
    assert len({id(one) for one in pipeline.predictors}) == len(pipeline.predictors) == 4
    (again,) = read_document(json.loads(json.dumps(document([evidence]))))
    assert [one.asked_for for one in again.tracks[0].opinions] == [one.asked_for for one in track.opinions]  # type: ignore[union-attr]
    assert opinion_view.together(track) in _summary(evidence)
    assert len(rows(side_by_side(track, evidence.detector))) == 3


def test_parts_that_are_loaded_already_are_shared(embedded: Any) -> None:
    default = load_pipeline("default", "cpu")
    more = load_pipeline("telltale-mobilenetv2", "cpu", ("telltale-swap", "default"), like=default)
    assert [one.info.name for one in more.specialists if one.asked_for] == ["telltale-swap", "telltale-attribution"]
    assert {default.predictor, *(one.predictor for one in default.specialists if one.info.name == "telltale-swap")} <= set(more.predictors)
    assert load_pipeline("default", "cpu", "telltale-swap", like=default).predictor is default.predictor


def test_the_same_weights_are_not_asked_twice() -> None:
    for first, beside in (("default", "telltale-attribution"), ("telltale-swap", ["telltale-dna-det", "telltale-dna-det"])):
        with pytest.raises(UnusableDetector, match=r"was chosen twice\. Choose each"):
            load_pipeline(first, "cpu", beside)


def test_two_of_one_name_are_both_in_the_settings(detector_folder: Path, tmp_path: Path) -> None:
    two = [str(write_timm_folder(tmp_path / place / "eye", seed=seed)) for place, seed in (("a", 3), ("b", 4))]
    evidence = examine(PORTRAIT, load_pipeline(str(detector_folder), "cpu", two)).evidence
    assert len([name for name in evidence.settings["specialists"] if name.startswith("eye@")]) == 2
    untold = write_timm_folder(tmp_path / "untold", ("LABEL_0", "LABEL_1"))
    with pytest.raises(UnmappedLabels) as caught:
        load_pipeline(str(detector_folder), "cpu", [two[0], str(untold)])
    assert caught.value.place == 2


# The command line


def test_flags_belong_to_the_detector_before_them(detector_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told = str(write_timm_folder(tmp_path / "told"))
    untold = str(write_timm_folder(tmp_path / "untold", ("LABEL_0", "LABEL_1"), seed=5))
    begin = ["analyse", PORTRAIT, "--detector", str(detector_folder), "--device", "cpu"]
    for flag, value in (("--beside-labels", "LABEL_0=real"), ("--beside-sees", "face")):
        assert main([*begin, flag, value, "--beside", untold]) == 2
        assert f"There is no --beside before {flag}." in capsys.readouterr().err
    assert main([*begin, "--beside", told, "--beside", untold]) == 2
    assert f"--beside-labels LABEL=MEANING,… behind --beside {untold};" in capsys.readouterr().err
    assert main([*begin, "--beside", told, "--beside", untold, "--beside-sees", "ear"]) == 2
    out, meanings = tmp_path / "out.json", ["--beside-labels", "LABEL_0=gan,LABEL_1=real", "--beside-sees", "face"]
    assert main([*begin, "--beside", untold, *meanings, "--beside", told, "--json", str(out)]) == 0
    (track,) = json.loads(out.read_text(encoding="utf-8"))["files"][0]["tracks"]
    seen = [(one["detector"]["name"], one["detector"]["families"], one["view"]) for one in track["opinions"] if one["asked_for"]]
    assert seen == [("untold", ["gan", "real"], "face"), ("told", ["real", "unknown"], "picture")]
    assert " of 3 detectors " in capsys.readouterr().out


# Memory


def test_detectors_that_nobody_chose_for_longest_are_really_gone(detector_folder: Path, tmp_path: Path) -> None:
    folders = [str(write_timm_folder(tmp_path / f"eye-{seed}", seed=seed)) for seed in range(4)]
    engines = Engines(Engine(str(detector_folder), "cpu"), most=2)
    pair = Selection(DetectorSpec(folders[0]), (DetectorSpec(folders[1]),))
    networks = [weakref.ref(one.model) for one in engines.of(pair).pipeline().predictors if one.info.source or not one.info.measured]
    assert len(networks) == 2
    kept = engines.of(Selection(DetectorSpec(str(detector_folder)), (DetectorSpec(folders[2]),))).pipeline()
    assert kept.predictor is engines.default.pipeline().predictor, "that of the start is there once"
    gc.collect()
    assert [one() for one in networks] == [None, None]
