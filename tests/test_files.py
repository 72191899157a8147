"""Several files at once: their order, their table, and the same as CSV and JSON."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace

from attribution.evidence import Evidence, Unusable, document_text, read_document
from attribution.messages import reading_in
from attribution.render import files as view
from attribution.text import files as text
from samples import HOSTILE, INCONCLUSIVE, MANIPULATED, NONE_FOUND, Markup, is_inert, picture, track

SURER, LESS_SURE = replace(MANIPULATED, confidence=0.99), replace(NONE_FOUND, confidence=0.7)
BROKEN = Unusable("broken.jpg", "The file could not be decoded.")


def several() -> list[Evidence | Unusable]:
    return [
        BROKEN,
        picture(NONE_FOUND, name="clear.png"),
        picture(LESS_SURE, name="less clear.png"),
        picture(INCONCLUSIVE, name="small.png", tracks=(track(verdict=INCONCLUSIVE, p_manipulated=0.2),)),
        picture(name="empty.png"),
        picture(MANIPULATED, name="swap.png"),
        picture(SURER, NONE_FOUND, name="surer.png"),
    ]


def rows(outcomes: list[Evidence | Unusable]) -> list[view.Row]:
    return [view.Row(one, "data:image/jpeg;base64,AA==" if isinstance(one, Evidence) else "") for one in outcomes]


def test_the_worst_stands_first_and_what_could_not_be_used_last() -> None:
    outcomes = several()
    wanted = ["surer.png", "swap.png", "small.png", "empty.png", "less clear.png", "clear.png", "broken.jpg"]
    assert [view.name_of(outcomes[index]) for index in view.worst_first(outcomes)] == wanted
    assert view.worst_first([]) == []


def test_a_row_says_answer_method_faces_and_why_and_opens_by_its_own_number() -> None:
    markup = view.table(rows(several()), 5, ("data:text/csv,1", "data:application/json,2"))
    page = Markup(markup)
    assert page.problem == ""
    assert is_inert(view.table(rows(several())))
    assert [one["data-open"] for one in page.of("button")] == ["6", "5", "3", "4", "2", "1"], "the unusable one opens nothing"
    assert [one["data-open"] for one in page.of("button") if "data-last" in one] == ["5"]
    assert len(page.of("img")) == 6
    heads = page.of("th")
    assert [one["scope"] for one in heads] == ["col"] * 5 + ["row"] * 7
    for words in ("Landmark face swap", "99 %", BROKEN.error, text.UNUSABLE, text.TITLE, INCONCLUSIVE.reasons[0]):
        assert words in page.words
    assert [one["download"] for one in page.of("a")] == ["telltale.csv", "telltale.json"]
    assert not Markup(view.table(rows(several()))).of("a"), "no half of it is offered"
    assert "File 2 of 7: swap.png" in Markup(view.bar(rows(several()), 5)).words


def test_names_and_sentences_from_files_do_nothing() -> None:
    hostile = [picture(MANIPULATED, name=HOSTILE), Unusable(HOSTILE, HOSTILE)]
    for markup in (view.table(rows(hostile)), view.bar(rows(hostile), 0), view.bar(rows(hostile), 1)):
        assert is_inert(markup)
        assert Markup(markup).problem == ""
        assert "onerror=alert(1)" in Markup(markup).words


def test_the_csv_has_a_line_a_file_and_no_cell_is_a_formula() -> None:
    formulas = ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\uff1d1", 'fine, "quoted"\nand broken']
    outcomes: list[Evidence | Unusable] = [*several(), *(Unusable(name, name) for name in formulas)]
    written = view.to_csv(outcomes)
    assert written.startswith("\ufeff")
    head, *lines = csv.reader(io.StringIO(written.removeprefix("\ufeff"), newline=""))
    assert tuple(head) == view.CSV_COLUMNS
    assert len(lines) == len(outcomes)
    first = dict(zip(head, lines[0], strict=True))
    assert first == {
        "file": "surer.png", "sha256": "0123456789abcdef" * 4, "kind": "picture", "state": "manipulated", "method": "landmark_swap",
        "family": "face_swap", "confidence": "0.9900", "faces": "2", "reasons": MANIPULATED.reasons[0], "error": "",
    }  # fmt: skip
    assert [line[0] for line in lines[-7:]] == [f"'{name}" for name in formulas[:-1]] + formulas[-1:]
    assert all(not cell.startswith(("=", "+", "-", "@", "\t", "\uff1d")) for line in lines for cell in line)


def test_csv_and_json_are_the_same_in_every_language_and_the_json_is_that_of_the_command_line() -> None:
    outcomes = several()
    for language in ("fr", "ar"):
        with reading_in(language):
            assert view.to_csv(outcomes) == view.to_csv(several())
    with reading_in("ar"):
        arabic = view.to_csv(outcomes), document_text(outcomes)
    assert arabic == (view.to_csv(outcomes), document_text(outcomes))
    assert read_document(json.loads(document_text(outcomes)))[0] == BROKEN
