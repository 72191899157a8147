"""Every reason for a verdict, note on reading and refusal of an opinion, by its code. The JSON has the codes and their figures beside the
sentences; from them a JSON that was read back says its sentences in the reader's language again.

`reason("face_too_small", width=48.2, needed=60.0)` is the sentence, a `Message` with that code, from figures as they were measured.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from attribution.messages import Figure, Message, ngettext
from attribution.messages import gettext as _
from attribution.text import numbers

READING: Mapping[str, Message] = {
    "first_picture_only": _("Only the first of the pictures in this {format} file was looked at."),
    "sixteen_bits": _("The picture has 16 bits a pixel; it was looked at in 8."),
    "print_colours": _("The picture is in print colours (CMYK); they were converted without a colour profile."),
    "transparent": _("Transparent areas of the picture were put on white."),
    "hdr": _("The clip is HDR; its colours were not converted to a standard screen’s."),
    "interlaced": _("The clip is interlaced: moving edges may look like combs."),
    "turned": _("No face was found upright: it was turned by {degrees}° to the right and examined so."),
    "slanted": _("The clip asks to be shown at a slant; it was looked at upright."),
    "scaled_down": _("Frames of {across} × {down} were scaled down to {kept_across} × {kept_down} before faces were cut."),
    "largest_track": _("The clip has {count} video tracks; only the largest was looked at."),
    "key_frames": _("The clip is long, so only key frames were looked at: {count} of them, from {first} to {last}."),
    "frames_decoded": _("{count} of {wanted} frames could be decoded."),
    "frames_missing": _("The clip is cut off: its header promises {promised} frames, {count} are in the file."),
    "hidden": _(
        "The clip was trimmed: its edit list hides {length} that are still in the file, which players do not show; they were not looked at."
    ),
    "cut_off_after": _("The clip is cut off or damaged: nothing after {last} could be read."),
    "shorter_than_promised": _("The clip’s header promises {length}, the pictures in the file end at {last}: it may have been cut off."),
    "out_of_time": _("Only the first {length} were looked at: decoding more would have taken too long."),
    "size_changes": ngettext(
        "The picture changes its size within the clip: {count} frame is not {across} × {down}; each was looked at in its own size.",
        "The picture changes its size within the clip: {count} frames are not {across} × {down}; each was looked at in its own size.",
        1,
    ),
}
"""Notes on the reading of a file."""

REASONS: Mapping[str, Message] = {
    # What keeps a face from being examined
    "not_a_face": _("This is not clearly a face: looked at more closely and mirrored, the face finder is only {share} sure of it."),
    "face_too_small": _("The face is only {width} px wide; at least {needed} px are needed."),
    "face_soft": _("The face was enlarged or is soft: it has only {width} px of detail; at least {needed} px are needed."),
    "face_screened": _(
        "The face shows the dots of a print, of a dithered picture or of a photographed display: such pictures cannot be judged."
    ),
    "face_blurred": _("The face is blurred: its sharpness is {sharpness}; at least {least_sharpness} is needed."),
    "face_dark": _("The face is dark: its brightness is {brightness} of 255; at least {least_brightness} is needed."),
    "face_overexposed": _("The face is overexposed: its brightness is {brightness} of 255; at most {most_brightness} is allowed."),
    "shown_still": ngettext(
        "The clip has only {count} frame, so it was judged as a still picture.",
        "The clip has only {count} frames, so it was judged as a still picture.",
        1,
    ),
    "few_views": ngettext(
        "Only {count} usable view of this face could be examined; a clip needs at least {least}.",
        "Only {count} usable views of this face could be examined; a clip needs at least {least}.",
        1,
    ),
    "views_left_out": _(
        "{count} of {views} views of this face were too small, soft, printed, dark, bright or not clearly a face and were left out."
    ),
    "most_views_left_out": _(
        "Most views of this face could not be examined: {count} of {views} were too small, soft, printed, dark, bright or not clearly \
a face. The others are too few to decide."
    ),
    # What keeps an answer from being definite
    "not_sure": _(
        "This is not sure: the probability of a manipulation is {p}; it counts as found from {above} on, and as not found up to {below}."
    ),
    "never_found": _(
        "The probability of a manipulation is {p}; it counts as not found up to {below}. As found it never counts: on the files that the \
detector was measured on here, the wished bound on false alarms could not be held."
    ),
    "never_cleared": _(
        "The probability of a manipulation is {p}; it counts as found from {above} on. As not found it never counts: on the files that the \
detector was measured on here, the wished bound on misses could not be held."
    ),
    "never_definite": _(
        "The probability of a manipulation is {p}. No answer is definite: on the files that the detector was measured on here, the wished \
bounds on errors could not be held."
    ),
    "moments_do_not_last": ngettext(
        "One moment, at {moment}, looks manipulated ({p}), but not the nearest one that was examined, {apart} away.",
        "{count} moments look manipulated, {moment} most of all ({p}; the nearest one examined is {apart} away), but too few in a row, or \
for too short a time, to be sure.",
        1,
    ),
    "unlike_training": _("This face is unlike anything the detector was trained on: {share} of its validation faces were more familiar."),
    "weak_response": _(
        "This face is unlike anything the detector was trained on: its response is only {response}; at least {least_response} is usual."
    ),
    "neighbours_untouched": _("It looks manipulated, but {share} of the most similar reference faces are untouched."),
    "neighbours_manipulated": _("It shows no manipulation, but {share} of the most similar reference faces are manipulated."),
    "short_not_excluded": _(
        "No manipulation was found at the moments examined, but there are {length} between two of them: inconclusive for manipulations \
shorter than that."
    ),
    "shorter_may_be_missed": _("A manipulation shorter than {length} may have been missed."),
    "not_measured": _(
        "Telltale has not measured {detector}: how often such an answer is wrong is not known, and its probability is not calibrated."
    ),
    "measured_here": _(
        "Its thresholds were measured here on {files} files of yours, {date}: they hold the wished bound on errors for files like those."
    ),
    # When, and by which method
    "manipulated_between": _("Manipulated between {first} and {last}; the rest of the clip shows no sign."),
    "manipulated_between_rest_unclear": _("Manipulated between {first} and {last}; the rest of the clip is unclear."),
    "manipulated_at_times": _("Manipulated at several times ({spans}); the rest of the clip shows no sign."),
    "manipulated_at_times_rest_unclear": _("Manipulated at several times ({spans}); the rest of the clip is unclear."),
    "method_not_told": _("The detector’s answer is “{label}”, which does not tell the method."),
    "methods_close": _("The method is not clear: {methods}."),
    "method_weak": _("The method is not clear: {label} has only {share}."),
    "looks_like_face_swap": _("It looks like a face swap."),
    "looks_like_reenactment": _("It looks like a reenactment."),
    "looks_like_gan": _("It looks like a GAN."),
    "looks_like_diffusion": _("It looks like a diffusion model."),
    # Of a whole file
    "no_face": _("No face was found; Telltale examines faces only."),
    "whole_picture": _("The whole picture was judged, and no face was looked for."),
    "file_too_small": _("The file has only {across} × {down} pixels: too few to look for a face."),
    "smallest_face": _("Only faces of at least {side} pixels that are turned to the camera and not cut off can be found."),
    "blurred_copy": _("The picture lies on an enlarged, blurred copy of itself, whose faces were not examined."),
    "largest_faces": _("Only the {count} largest of {faces} faces were examined."),
    "faces_manipulated": _("{count} of {faces} faces look manipulated."),
    "faces_inconclusive": _("{count} of {faces} faces are inconclusive."),
    "face_not_cleared": _(
        "Face {face} of {faces} keeps this file from being cleared: it is inconclusive (probability of a manipulation: {p})."
    ),
    "faces_not_judged": _("{count} smaller or briefly seen of {faces} faces could not be judged."),
    # Detectors that contradict each other, or know one kind of manipulation alone
    "disagree_manipulation": _(
        "The detectors disagree: {detector} finds a manipulation (probability of a manipulation: {p}), {other} finds none ({p_other})."
    ),
    "disagree_face_swap": _(
        "The detectors disagree: {detector} finds the traces of a face swap (probability of a manipulation: {p}), {other} finds no \
manipulation ({p_other})."
    ),
    "disagree_reenactment": _(
        "The detectors disagree: {detector} finds the traces of a reenactment (probability of a manipulation: {p}), {other} finds no \
manipulation ({p_other})."
    ),
    "disagree_gan": _(
        "The detectors disagree: {detector} finds the traces of a GAN (probability of a manipulation: {p}), {other} finds no \
manipulation ({p_other})."
    ),
    "disagree_diffusion": _(
        "The detectors disagree: {detector} finds the traces of a diffusion model (probability of a manipulation: {p}), {other} finds no \
manipulation ({p_other})."
    ),
    "generated_alone_but_face_swap": _("{detector} looks for wholly generated faces alone, and {other} calls this one a face swap."),
    "generated_alone_but_reenactment": _("{detector} looks for wholly generated faces alone, and {other} calls this one a reenactment."),
    "face_swap_alone_but_gan": _("{detector} looks for face swaps and pasted parts alone, and {other} calls this one a GAN."),
    "face_swap_alone_but_diffusion": _(
        "{detector} looks for face swaps and pasted parts alone, and {other} calls this one a diffusion model."
    ),
    "generated_alone_clears": _("{detector} looks for wholly generated faces alone: face swaps pass it."),
    "face_swap_alone_clears": _("{detector} looks for face swaps and pasted parts alone: wholly generated faces pass it."),
    "generated_alone_unchecked": _("{detector} looks for wholly generated faces alone; whether this is a face swap could not be checked."),
    "face_swap_alone_unchecked": _(
        "{detector} looks for face swaps and pasted parts alone; whether this face is wholly generated could not be checked."
    ),
    "generated_if_cleared": _("This holds only if the face is wholly generated; {other} found no manipulation in it."),
    "generated_if_open": _("This holds only if the face is wholly generated; {other} gives no definite answer."),
    "face_swap_if_cleared": _("This holds only if the face is not wholly generated; {other} found no manipulation in it."),
    "face_swap_if_open": _("This holds only if the face is not wholly generated; {other} gives no definite answer."),
    # Why a detector was not asked
    "generated_not_asked_cleared": _(
        "{detector} attributes wholly generated faces to the architecture of their generator; no manipulation was found in this face, so \
it was not asked."
    ),
    "generated_not_asked_inconclusive": _(
        "{detector} attributes wholly generated faces to the architecture of their generator; the answer on this face is inconclusive, so \
it was not asked."
    ),
    "generated_not_asked_method_not_told": _(
        "{detector} attributes wholly generated faces to the architecture of their generator; this face was called manipulated, but not by \
which kind of method, so it was not asked."
    ),
    "generated_not_asked_face_swap": _(
        "{detector} attributes wholly generated faces to the architecture of their generator; this face was called a face swap, so it was \
not asked."
    ),
    "generated_not_asked_reenactment": _(
        "{detector} attributes wholly generated faces to the architecture of their generator; this face was called a reenactment, so it \
was not asked."
    ),
    "face_swap_not_asked_inconclusive": _(
        "{detector} looks for face swaps and pasted parts; the answer on this face is inconclusive, so it was not asked."
    ),
    "face_swap_not_asked_method_not_told": _(
        "{detector} looks for face swaps and pasted parts; this face was called manipulated, but not by which kind of method, so it was \
not asked."
    ),
    "face_swap_not_asked_reenactment": _(
        "{detector} looks for face swaps and pasted parts; this face was called a reenactment, so it was not asked."
    ),
    "face_swap_not_asked_gan": _("{detector} looks for face swaps and pasted parts; this face was called a GAN, so it was not asked."),
    "face_swap_not_asked_diffusion": _(
        "{detector} looks for face swaps and pasted parts; this face was called a diffusion model, so it was not asked."
    ),
    "sees_faces_alone": _(
        "{detector} looks at faces, and the first detector at whole pictures, so it was not asked. Choose {detector} as the first one."
    ),
    "not_loaded": _("{detector} could not be loaded, so it was not asked. {error}"),
    "experts_unheard": _("Detectors that could not be heard: {count} of {experts}. {detector} answers alone."),
    "no_router": _("No detector for every kind of face is embedded, so none was asked."),
    **READING,
}
"""What each code says, with the names of its figures. A figure `count` decides on the plural."""

DECODER: Mapping[str, Message] = {
    "get_original": _("Get the original file again: this one may be damaged."),
    "scale_down": _("Scale it down first."),
    "shorten": _("Scale it down or cut it shorter first."),
    "picture_damaged": _("The picture is cut off or damaged: not all of it could be decoded, so it was not judged at all."),
    "save_copy": _("Get the original file again, or open it and save a new copy."),
    "too_many_pixels": _("The picture has {across} × {down} pixels, more than we open."),
    "frames_too_large": _("The clip’s frames are {across} × {down} pixels, more than we open."),
    "no_frame": _("The clip holds no frame that can be read."),
    "no_frame_decoded": _("No frame of the clip could be decoded."),
    "took_too_long": _("Reading the clip took too long and was stopped."),
    "picture_not_opened": _("This file is in the format {format}, which Telltale does not open."),
    "convert_picture": _("Convert it to PNG or JPEG first."),
    "clip_not_opened": _("This kind of clip is not opened."),
    "convert_clip": _("Convert it to MP4 first."),
    "no_index": _("The clip cannot be opened: its index is missing or damaged."),
    "no_video_track": _("No video track can be read in this file."),
    "only_sound": _("There is only sound in this file, no pictures."),
    "give_video": _("Give a clip with a video track."),
    "codec": _("The clip is coded with {codec}, which Telltale does not open."),
    "codec_unknown": _("The clip is coded in a way that Telltale does not know."),
    "convert_codec": _("Convert it to H.264 in an MP4 file first."),
    "out_of_memory": _("The file needs more memory than one file may take."),
    "not_decoded": _("The file could not be decoded."),
}
"""What the decoder says where it refuses a file: its process gives codes, never sentences."""

_FIGURES: Mapping[str, Callable[[Any], Figure]] = {
    **dict.fromkeys(("across", "down", "kept_across", "kept_down"), numbers.pixels),
    "apart": numbers.seconds,
    "share": numbers.percent,
    "spans": numbers.spans,
    "methods": numbers.shares,
}
"""How a figure of that name is written; others are words or whole numbers."""
_COMPARED: Mapping[tuple[str, ...], Callable[[float, int], Figure]] = {
    ("p", "p_other", "above", "below"): numbers.percent,
    ("moment", "first", "last", "length"): numbers.seconds,
    ("width", "needed"): numbers.rounded,
    ("brightness", "least_brightness", "most_brightness"): numbers.rounded,
    ("sharpness", "least_sharpness"): numbers.significant,
    ("response", "least_response"): numbers.hundredths,
}
"""How figures of these names are written, which a reader compares where they stand in one sentence."""


def reason(code: str, **figures: Any) -> Message:
    """The sentence of that code. Raises LookupError for one that there is not, and for figures that it lacks."""
    form = REASONS[code] if code in REASONS else DECODER[code]
    values = {name: _FIGURES[name](value) if name in _FIGURES else value for name, value in figures.items()}
    for names, write in _COMPARED.items():
        values |= numbers.told_apart(write, {name: figures[name] for name in names if name in figures})
    count = figures.get("count", 1) if form.plural else 1
    return Message(form.form, form.plural, count, form.context, values, code)


def coded(sentence: str) -> dict[str, Any] | None:
    """`{"code": …, "figures": {name: value}}` of a sentence that was made here, for the JSON; None for any other."""
    if not isinstance(sentence, Message) or not sentence.code:
        return None
    return {"code": sentence.code, "figures": {name: _raw(value) for name, value in (sentence.values or {}).items()}}


def recalled(sentence: str, entry: Any) -> str:
    """The sentence of a JSON, from its code and figures where they make exactly that sentence; else as it is, in English."""
    try:
        made = reason(entry["code"], **entry["figures"])
    except (LookupError, TypeError, ValueError, ArithmeticError, AttributeError):
        return sentence
    return made if made == sentence else sentence


def renamed(sentence: str, names: Mapping[str, str]) -> str:
    """The sentence with other names for detectors than their own, by these."""
    if not isinstance(sentence, Message) or sentence.values is None:
        # One of a JSON from before there were codes.
        for name, other in names.items():
            sentence = sentence.replace(name, other)
        return sentence
    values = {name: names.get(value, value) if isinstance(value, str) else value for name, value in sentence.values.items()}
    return Message(sentence.form, sentence.plural, sentence.count, sentence.context, values, sentence.code)


def _raw(value: Any) -> Any:
    return value.raw if isinstance(value, Figure) else str(value) if isinstance(value, str) else value
