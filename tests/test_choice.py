"""What somebody may ask for, and what is refused with a sentence."""

from __future__ import annotations

import pytest

from attribution.choice import MEANINGS, Choice, Selection, read_meanings_flag
from attribution.errors import UnusableDetector


def test_a_choice_is_a_key() -> None:
    one = Selection(Choice("hf:owner/repo", (("LABEL_0", "real"),), "face"), Choice())
    assert {one: 1}[Selection(Choice("hf:owner/repo", (("LABEL_0", "real"),), "face"), Choice())] == 1
    assert one != Selection(Choice("hf:owner/repo", (("LABEL_0", "gan"),), "face"), Choice())


@pytest.mark.parametrize("meaning", ["", "fake", "Real", "unknown"])
def test_a_meaning_that_is_none_is_refused(meaning: str) -> None:
    with pytest.raises(UnusableDetector, match="no meaning"):
        Choice("x", (("LABEL_0", meaning),))


def test_a_view_that_is_none_is_refused() -> None:
    with pytest.raises(UnusableDetector, match="face or the whole picture"):
        Choice("x", view="ear")


def test_the_flag_is_read() -> None:
    assert read_meanings_flag("") == ()
    assert read_meanings_flag("LABEL_0=real, a=b=manipulated ,") == (("LABEL_0", "real"), ("a=b", "manipulated"))
    assert all(Choice("x", ((meaning, meaning),)) for meaning in MEANINGS)


@pytest.mark.parametrize("text", ["LABEL_0", "=real", "a=real,b"])
def test_a_flag_that_says_nothing_is_refused(text: str) -> None:
    with pytest.raises(UnusableDetector, match="LABEL=MEANING"):
        read_meanings_flag(text)
