"""The plain sentences of a verdict, each with the figure that was measured. Never the word "real": we find no manipulation, or one."""

from __future__ import annotations

from collections.abc import Sequence

from attribution.detectors.card import Thresholds
from attribution.evidence import DetectorInfo, Face, Verdict
from attribution.text.numbers import percent

FAMILY_NAMES = {"face_swap": "a face swap", "reenactment": "a reenactment", "gan": "a GAN", "diffusion": "a diffusion model"}


def quality(face: Face, thresholds: Thresholds) -> list[str]:
    """What keeps this face from being examined; empty when nothing does."""
    found = []
    if face.crop_side_px < thresholds.min_crop_side_px:
        found.append(f"The face is only {face.crop_side_px:.0f} px wide; at least {thresholds.min_crop_side_px:.0f} px are needed.")
    if face.sharpness < thresholds.min_sharpness:
        found.append(f"The face is blurred: its sharpness is {face.sharpness:.3g}; at least {thresholds.min_sharpness:.3g} is needed.")
    if face.brightness < thresholds.min_brightness:
        found.append(
            f"The face is dark: its brightness is {face.brightness:.0f} of 255; at least {thresholds.min_brightness:.0f} is needed."
        )
    if face.brightness > thresholds.max_brightness:
        found.append(
            f"The face is overexposed: its brightness is {face.brightness:.0f} of 255; at most {thresholds.max_brightness:.0f} is allowed."
        )
    return found


def few_faces(examined: int, needed: int) -> str:
    views = "view" if examined == 1 else "views"
    return f"Only {examined} usable {views} of this face could be examined; a clip needs at least {needed}."


def left_out(examined: int, faces: int) -> str:
    return f"{faces - examined} of {faces} views of this face were too small, blurred, dark or bright and were left out."


def not_sure(p_manipulated: float, thresholds: Thresholds) -> str:
    return (
        f"The detector is not sure: the probability of a manipulation is {percent(p_manipulated)}; it counts as found from "
        f"{percent(thresholds.p_manipulated_above)} on, and as not found up to {percent(thresholds.p_manipulated_below)}."
    )


def spikes(count: int, seconds: float, p_manipulated: float) -> str:
    if count == 1:
        return f"One moment, at {seconds:.1f} s, looks manipulated ({percent(p_manipulated)}), but not the moments around it."
    return f"{count} moments look manipulated, {seconds:.1f} s most of all ({percent(p_manipulated)}), but none of it lasts."


def atypical(atypicality: float) -> str:
    return f"This face is unlike anything the detector was trained on: {percent(atypicality)} of its validation faces were more familiar."


def low_energy(energy: float, least: float) -> str:
    return f"This face is unlike anything the detector was trained on: its response is only {energy:.2f}; at least {least:.2f} is usual."


def neighbours_disagree(share: float, manipulated: bool) -> str:
    said, are = ("a manipulation", "untouched") if manipulated else ("no manipulation", "manipulated")
    return f"The detector sees {said}, but {percent(share)} of the most similar reference faces are {are}."


def method_unclear(shares: Sequence[tuple[str, float]], info: DetectorInfo) -> str:
    (first, p_first), (second, p_second) = shares[0], shares[1]
    return f"The method is not clear: {info.display(first)} {percent(p_first)}, {info.display(second)} {percent(p_second)}."


def method_not_named(share: float, label: str, info: DetectorInfo) -> str:
    return f"The method is not clear: {info.display(label)} has only {percent(share)}."


def method_not_told(label: str, info: DetectorInfo) -> str:
    return f"The detector’s answer is “{info.display(label)}”, which does not tell the method."


def unmeasured(name: str) -> str:
    return f"Telltale has not measured {name}: how often such an answer is wrong is not known, and its probability is not calibrated."


def method_unlike() -> str:
    return "The method is not among those that the detector knows, or the picture was changed in a way that it does not know."


def family_only(family: str) -> str:
    return f"It looks like {FAMILY_NAMES[family]}."


def disagreement(name: str, verdict: Verdict, p_manipulated: float, other: str, its_verdict: Verdict, its_p_manipulated: float) -> str:
    """Two detectors, their definite verdicts, and what each takes for the probability of a manipulation."""
    first = f"{name} finds {_found(verdict)} (probability of a manipulation: {percent(p_manipulated)})"
    return f"The detectors disagree: {first}, {other} finds {_found(its_verdict)} ({percent(its_p_manipulated)})."


def _found(verdict: Verdict) -> str:
    if verdict.state == "no_manipulation_found":
        return "no manipulation"
    return "a manipulation" if verdict.family is None else f"the traces of {FAMILY_NAMES[verdict.family]}"


def between(stretches: Sequence[tuple[float, float]], rest_is_clean: bool) -> str:
    spans = [f"between {first:.1f} s and {last:.1f} s" for first, last in stretches]
    if len(spans) > 3:
        spans = [*spans[:3], f"{len(spans) - 3} more times"]
    listed = spans[0] if len(spans) == 1 else f"{', '.join(spans[:-1])} and {spans[-1]}"
    rest = "the rest of the clip shows no sign" if rest_is_clean else "the rest of the clip is unclear"
    return f"Manipulated {listed}; {rest}."
