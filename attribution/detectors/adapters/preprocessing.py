"""How a picture becomes the network's input, read from preprocessor_config.json, from timm's configuration, or from what the catalogue
knows; what is not said there and not fixed by the format is refused, because any guess would be a wrong answer that looks right."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from attribution.detectors.adapters.parts import Preparation, Source
from attribution.detectors.card import CropSettings
from attribution.detectors.loading import Colours, colours
from attribution.errors import DamagedDetector, UnusableDetector, unreadable

_HALF = [0.5, 0.5, 0.5]
# By the processor's own code: what it does where its file is silent. The others crop unless told not to, and have to say everything.
_DEFAULTS: Mapping[str, Mapping[str, Any]] = {
    "ViT": {"resample": 2, "image_mean": _HALF, "image_std": _HALF, "size": {"height": 224, "width": 224}},
    "Siglip": {"resample": 3, "image_mean": _HALF, "image_std": _HALF, "size": {"height": 224, "width": 224}},
    **{name: {} for name in ("DeiT", "CLIP", "Bit")},
}
_KINDS = ("ImageProcessor", "ImageProcessorFast", "ImageProcessorPil", "FeatureExtractor")
# Pillow's numbers.
_RESAMPLINGS = {1: "lanczos", 2: "bilinear", 3: "bicubic"}


def refuse(what: str) -> UnusableDetector:
    """For pictures that are prepared in a way that is not known, in technical English."""
    return unreadable(what.rstrip("."))


def by_transformers(source: Source) -> Preparation:
    """From the hints and preprocessor_config.json."""
    return _with_hints(source, lambda: _read_processor(source.preprocessor))


def by_timm(source: Source, pretrained: Any) -> Preparation:
    """From the hints and timm's `pretrained_cfg`."""
    return _with_hints(source, lambda: _read_timm(pretrained))


def _with_hints(source: Source, read: Callable[[], Preparation]) -> Preparation:
    hints = source.hints
    known: dict[str, Any] = {name: _colours(hints[name], least) for name, least in (("mean", -1), ("std", 1e-3)) if name in hints}
    if "crop" in hints:
        known["crop"] = hints["crop"] if isinstance(hints["crop"], CropSettings) else CropSettings(**hints["crop"])
    return Preparation(**known) if len(known) == 3 else read()._replace(**known)


def _colours(values: Any, least: float) -> Colours:
    found = colours(values, least)
    if found is None:
        raise refuse("The detector does not say by which mean and spread its colours are normalised.")
    return found


def _crop(side_px: int, resample: str, short_px: int | None) -> CropSettings:
    try:
        return CropSettings(detector="none", side_px=side_px, resample=resample, short_px=short_px)
    except DamagedDetector as error:
        raise refuse(f"Pictures of {side_px} px, cut out of {short_px or side_px} px, are none that Telltale makes.") from error


def _read_processor(processor: Mapping[str, Any] | None) -> Preparation:
    if processor is None:
        raise refuse("The detector has no preprocessor_config.json that says how pictures are prepared for it.")
    kind = processor.get("image_processor_type", processor.get("feature_extractor_type"))
    family = next((name for name in _DEFAULTS if kind in [name + ending for ending in _KINDS]), None)
    if family is None:
        raise refuse(f"The detector prepares pictures by {str(kind)[:60]!r}, whose steps Telltale does not know.")
    said = {**_DEFAULTS[family], **{name: value for name, value in processor.items() if value is not None}}
    if not _DEFAULTS[family] and not (isinstance(said.get("do_center_crop"), bool) and isinstance(said.get("size"), Mapping)):
        raise refuse("The detector's preprocessor_config.json does not say how pictures are resized and cropped.")
    if said.get("do_resize", True) is not True or said.get("do_rescale", True) is not True or said.get("do_pad", False) is not False:
        raise refuse("The detector's preprocessor_config.json asks for steps other than resizing, cropping and scaling.")
    factor = said.get("rescale_factor", 1 / 255)
    if not isinstance(factor, int | float) or not abs(factor * 255 - 1) < 1e-6 or said.get("offset", False) is not False:
        raise refuse("The detector's colours are not scaled by 1/255.")
    resample = said.get("resample")
    if isinstance(resample, bool) or resample not in _RESAMPLINGS:
        raise refuse("The detector does not say by which filter pictures are resized, or by one that Telltale does not have.")
    mean, std = _colours(said.get("image_mean"), -1), _colours(said.get("image_std"), 1e-3)
    if said.get("do_normalize", True) is not True:
        mean, std = (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)
    cropped = said.get("do_center_crop", False)
    if not isinstance(cropped, bool):
        raise refuse("The detector's preprocessor_config.json does not say whether pictures are cropped.")
    return Preparation(mean, std, _processor_crop(said.get("size"), said.get("crop_size") if cropped else None, _RESAMPLINGS[resample]))


def _processor_crop(size: Any, crop_size: Any, resample: str) -> CropSettings:
    side_px = None if crop_size is None else _square(crop_size)
    if isinstance(size, Mapping) and set(size) == {"shortest_edge"}:
        short_px = _pixels(size["shortest_edge"])
        if side_px is None:
            what = "The detector keeps the shape of pictures, and its network reads squares"
            raise refuse(f"{what}: its preprocessor_config.json lacks a crop.")
        return _crop(side_px, resample, short_px)
    squeezed_px = _square(size)
    if side_px is not None and side_px != squeezed_px:
        raise refuse(f"The detector squeezes pictures to {squeezed_px} px and cuts {side_px} px out of them, which Telltale does not do.")
    return _crop(squeezed_px, resample, None)


def _square(size: Any) -> int:
    if isinstance(size, Mapping):
        if set(size) != {"height", "width"} or size["height"] != size["width"]:
            raise refuse("The detector reads pictures that are not square, or does not say their size.")
        size = size["height"]
    return _pixels(size)


def _pixels(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= 4096:
        raise refuse("The detector does not say the size of its pictures.")
    return value


def _read_timm(pretrained: Any) -> Preparation:
    if not isinstance(pretrained, Mapping):
        raise refuse("The detector's config.json does not say how pictures are prepared (pretrained_cfg).")
    size = pretrained.get("input_size")
    if not isinstance(size, list | tuple) or len(size) != 3 or size[0] != 3 or size[1] != size[2]:
        raise refuse("The detector reads pictures that are not square and in three colours, or does not say their size.")
    side_px = _pixels(size[1])
    # Where a configuration is silent, as timm.data.resolve_data_config has it.
    resample, share, mode = (pretrained.get(*one) for one in (("interpolation", "bicubic"), ("crop_pct", 0.875), ("crop_mode", "center")))
    if resample not in _RESAMPLINGS.values():
        raise refuse("The detector does not say by which filter pictures are resized, or by one that Telltale does not have.")
    if not isinstance(share, int | float) or isinstance(share, bool) or not 0.25 <= share <= 1:
        raise refuse("The detector does not say which share of a picture it reads (crop_pct).")
    if mode not in ("center", "squash") or (mode == "squash" and share != 1):
        raise refuse(f"The detector crops pictures in a way that Telltale does not ({str(mode)[:20]!r}).")
    crop = _crop(side_px, resample, math.floor(side_px / share) if mode == "center" else None)
    return Preparation(_colours(pretrained.get("mean"), -1), _colours(pretrained.get("std"), 1e-3), crop)
