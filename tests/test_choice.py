"""What somebody may ask for, and what is refused with a sentence."""

from __future__ import annotations

import pytest

from attribution.detectors.spec import MEANINGS, DetectorSpec, Selection, read_meanings_flag
from attribution.errors import UnusableDetector


def test_a_choice_is_a_key() -> None:
    one = Selection(DetectorSpec("hf:owner/repo", (("LABEL_0", "real"),), "face"), DetectorSpec())
    assert {one: 1}[Selection(DetectorSpec("hf:owner/repo", (("LABEL_0", "real"),), "face"), DetectorSpec())] == 1
    assert one != Selection(DetectorSpec("hf:owner/repo", (("LABEL_0", "gan"),), "face"), DetectorSpec())


@pytest.mark.parametrize("meaning", ["", "fake", "Real", "unknown"])
def test_a_meaning_that_is_none_is_refused(meaning: str) -> None:
    with pytest.raises(UnusableDetector, match="no meaning"):
        DetectorSpec("x", (("LABEL_0", meaning),))


def test_a_view_that_is_none_is_refused() -> None:
    with pytest.raises(UnusableDetector, match="face or the whole picture"):
        DetectorSpec("x", view="ear")


def test_the_flag_is_read() -> None:
    assert read_meanings_flag("") == ()
    assert read_meanings_flag("LABEL_0=real, a=b=manipulated ,") == (("LABEL_0", "real"), ("a=b", "manipulated"))
    assert all(DetectorSpec("x", ((meaning, meaning),)) for meaning in MEANINGS)


@pytest.mark.parametrize("text", ["LABEL_0", "=real", "a=real,b"])
def test_a_flag_that_says_nothing_is_refused(text: str) -> None:
    with pytest.raises(UnusableDetector, match="LABEL=MEANING"):
        read_meanings_flag(text)
