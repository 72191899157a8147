"""The plain sentences of a verdict, each with the figure that was measured. Never the word "real": we find no manipulation, or one."""

from __future__ import annotations

from collections.abc import Sequence

from attribution.detectors.card import Thresholds
from attribution.evidence import Face, Verdict
from attribution.text.numbers import percent

FAMILY_NAMES = {"face_swap": "a face swap", "reenactment": "a reenactment", "gan": "a GAN", "diffusion": "a diffusion model"}


def quality(face: Face, thresholds: Thresholds) -> list[str]:
    """What keeps this face from being examined; empty when nothing does."""
    least, light = thresholds, f"its brightness is {face.brightness:.0f} of 255"
    wide, sharp = f"The face is only {face.crop_side_px:.0f} px wide", f"The face is blurred: its sharpness is {face.sharpness:.3g}"
    found = (
        (face.crop_side_px < least.min_crop_side_px, f"{wide}; at least {least.min_crop_side_px:.0f} px are needed."),
        (face.sharpness < least.min_sharpness, f"{sharp}; at least {least.min_sharpness:.3g} is needed."),
        (face.brightness < least.min_brightness, f"The face is dark: {light}; at least {least.min_brightness:.0f} is needed."),
        (face.brightness > least.max_brightness, f"The face is overexposed: {light}; at most {least.max_brightness:.0f} is allowed."),
    )
    return [sentence for holds, sentence in found if holds]


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
