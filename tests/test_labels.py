"""Names of labels are read by all their words, and left unread rather than misread; and what somebody may ask for of a detector."""

from __future__ import annotations

import pytest

from attribution.detectors.labels import MANIPULATED, MEANINGS, decide, read_meanings
from attribution.detectors.spec import DetectorSpec, read_meanings_flag
from attribution.errors import UnmappedLabels, UnusableDetector
from attribution.evidence import LABEL_FAMILIES


@pytest.mark.parametrize(
    ("name", "meaning"),
    [
        *(
            (name, "real")
            for name in ("Real", "REAL", "realism", "human", "Human Image", "authentic", "real_faces", "original", "untouched")
        ),
        *(
            (name, "unknown")
            for name in ("Fake", "Deepfake", "deep fake", "AI", "ai_gen", "AI-generated", "AI Generated Images", "artificial")
        ),
        *((name, "unknown") for name in ("Synthetic", "manipulated", "computer generated", "ＦＡＫＥ", "fake 2", "aiGenerated")),
        *((name, "face_swap") for name in ("FaceSwap", "face_swaps", "faceswap", "Face Swap", "fake face swap", "SimSwap")),
        *((name, "reenactment") for name in ("Face2Face", "face2face", "NeuralTextures", "reenactment", "lip-sync")),
        *((name, "gan") for name in ("gan", "GAN images", "StyleGAN2", "fake gan", "ProGAN", "StyleGAN3 faces")),
        *(
            (name, "diffusion")
            for name in ("Stable Diffusion", "stable_diffusion_v1", "sdxl", "Midjourney", "midjourney v6", "FLUX.1", "sd21")
        ),
        ("GAN diffusion", "unknown"),
    ],
)
def test_a_name_that_tells_is_read(name: str, meaning: str) -> None:
    assert read_meanings([name]) == (meaning,)
    assert meaning in LABEL_FAMILIES


@pytest.mark.parametrize(
    "name",
    [
        *("LABEL_0", "class_1", "positive", "negative", "0", "1", "", "   ", "yes", "true", "N", "at or below 0", "분노", "image", "face"),
        *("unreal", "surreal", "reality show", "realesrgan", "real esrgan", "Real-ESRGAN", "faker", "airplane", "chair", "begany", "organ"),
        *(
            "not fake",
            "not real",
            "non-ai",
            "Non AI",
            "no manipulation",
            "non_fake",
            "isn't real",
            "never altered",
            "un-altered",
            "NotFake",
            "NonAI",
        ),
        *("real or fake", "real vs fake", "real fake", "AI human", "human deepfake", "real diffusion", "humanoid", "fluxus", "sd"),
    ],
)
def test_a_name_that_does_not_tell_is_left_unread(name: str) -> None:
    assert read_meanings([name]) == (None,)


@pytest.mark.parametrize(
    ("names", "said", "families", "why"),
    [
        (("Real", "Fake"), {}, ("real", "unknown"), ""), (("gan", "real", "diffusion"), {}, ("gan", "real", "diffusion"), ""),
        (("LABEL_0", "real"), {}, (), "do not tell"), (("LABEL_0", "real"), {"LABEL_0": MANIPULATED}, ("unknown", "real"), ""),
        (("Real", "Fake"), {"Real": "gan", "Fake": "real"}, ("gan", "real"), ""), (("fake", "gan"), {}, (), "an untouched face"),
        (("real", "original"), {}, (), "stands for a manipulation"),
        (("real", "original"), {"real": "real"}, (), "stands for a manipulation"), (("real", "original", "gan"), {}, (), "More than one"),
        (("real", "original", "gan"), {"gan": "gan"}, ("real", "real", "gan"), ""),
    ],
)  # fmt: skip
def test_labels_that_cannot_stand_are_asked_for(names: tuple[str, ...], said: dict[str, str], families: tuple[str, ...], why: str) -> None:
    if not why:
        assert decide(names, said, {}) == families
        return
    with pytest.raises(UnmappedLabels, match=why) as caught:
        decide(names, said, {})
    assert caught.value.labels == names


def test_a_person_overrules_what_is_known_and_what_is_known_the_name() -> None:
    assert decide(("real", "fake"), {"real": "gan"}, {"real": "diffusion", "fake": "real"}) == ("gan", "real")
    with pytest.raises(UnusableDetector, match="no label “another”"):
        decide(("real", "fake"), {"another": "real"}, {})


def test_a_meaning_or_a_view_that_is_none_is_refused() -> None:
    for meaning in ("", "fake", "Real", "unknown"):
        with pytest.raises(UnusableDetector, match="no meaning"):
            DetectorSpec("x", (("LABEL_0", meaning),))
    with pytest.raises(UnusableDetector, match="face or the whole picture"):
        DetectorSpec("x", view="ear")


def test_the_flag_is_read() -> None:
    assert read_meanings_flag("") == ()
    assert read_meanings_flag("LABEL_0=real, a=b=manipulated ,") == (("LABEL_0", "real"), ("a=b", "manipulated"))
    assert all(DetectorSpec("x", ((meaning, meaning),)) for meaning in MEANINGS)
    for text in ("LABEL_0", "=real", "a=real,b"):
        with pytest.raises(UnusableDetector, match="LABEL=MEANING"):
            read_meanings_flag(text)
