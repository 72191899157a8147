"""How a picture becomes the network's input: as transformers' own image processor of the repository has it, as timm's configuration says,
or as the catalogue knows; what is not said there is refused, because any guess would be a wrong answer that looks right.

Pictures are cut where they were decoded, so an image processor's settings are read and its work is done there. Whether it is the same work
is seen by doing both: pictures go through the processor and through ours, and it is refused where they differ."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from PIL import Image

from attribution.detectors.adapters.parts import Preparation, Source
from attribution.detectors.card import CONFIG_FILE, CropSettings
from attribution.detectors.hub import PREPROCESSOR_FILE
from attribution.detectors.loading import Colours, colours
from attribution.errors import DamagedDetector, UnusableDetector, unreadable

_KNOWN = ("ViT", "Siglip", "CLIP", "Bit", "ConvNext", "Beit", "DeiT", "DINOv3ViT")
# Pillow's numbers.
_RESAMPLINGS = {1: "lanczos", 2: "bilinear", 3: "bicubic"}
# Wide and tall pictures that both tell filters, shapes and middles apart; colours may differ by two levels of 255, by which transformers'
# own two implementations of the same processor differ, too.
_SHAPES, _MOST_LEVELS = ((96, 131), (143, 96)), 2.05
# Below it, ConvNeXt's processor resizes to more than it cuts out.
_CONVNEXT_SQUEEZES_FROM_PX = 384


def refuse(what: str) -> UnusableDetector:
    """For pictures that are prepared in a way that is not known, in technical English."""
    return unreadable(what.rstrip("."))


def by_transformers(source: Source) -> Preparation:
    """From the hints and preprocessor_config.json."""
    return _with_hints(source, lambda: _read_processor(source))


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


def _crop(side_px: int, resample: str, short_px: int | None, middle: str = "floor") -> CropSettings:
    try:
        return CropSettings("none", side_px=side_px, resample=resample, short_px=short_px, middle=middle)
    except DamagedDetector as error:
        raise refuse(f"Pictures of {side_px} px, cut out of {short_px or side_px} px, are none that Telltale makes.") from error


def _read_processor(source: Source) -> Preparation:
    if source.preprocessor is None:
        raise refuse("The detector has no preprocessor_config.json that says how pictures are prepared for it.")
    processor = _processor(source.preprocessor, source.config.get("model_type"))
    resample = _RESAMPLINGS.get(int(getattr(processor, "resample", None) or 0), "")
    if not resample:
        raise refuse("The detector does not say by which filter pictures are resized, or by one that Telltale does not have.")
    mean, std = _colours(processor.image_mean, -1), _colours(processor.image_std, 1e-3)
    if processor.do_normalize is not True:
        mean, std = (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)
    found = Preparation(mean, std, _processor_crop(processor, resample))
    for seed, shape in enumerate(_SHAPES):
        if not _differ(processor, found, seed, shape) <= _MOST_LEVELS:
            raise refuse("The detector prepares pictures in a way that Telltale does not: its image processor gives others on a trial.")
    return found


def _processor(said: Mapping[str, Any], model_type: Any) -> Any:
    """transformers' image processor of these settings, built from two files in a folder that holds nothing else."""
    from attribution.detectors.adapters.hf import library

    kind = said.get("image_processor_type", said.get("feature_extractor_type"))
    refusal = refuse(f"The detector prepares pictures by {str(kind)[:60]!r}, whose steps Telltale does not know.")
    if said.get("auto_map") or not (kind is None or str(kind).startswith(_KNOWN)):
        raise refusal
    settings = {name: value for name, value in said.items() if value is not None and name != "device"}
    with TemporaryDirectory(prefix="telltale-") as folder:
        (Path(folder) / PREPROCESSOR_FILE).write_text(json.dumps(settings), encoding="utf-8")
        network = {"model_type": model_type} if isinstance(model_type, str) else {}
        (Path(folder) / CONFIG_FILE).write_text(json.dumps(network), encoding="utf-8")
        try:
            # Pillow's, which published detectors were made with; those that never had one come as they are.
            found = library().AutoImageProcessor.from_pretrained(folder, backend="pil", local_files_only=True, trust_remote_code=False)
        # Whatever its checks raise, of which there are many kinds.
        except Exception as error:
            raise refusal from error
    if not type(found).__name__.startswith(_KNOWN):
        raise refusal
    return found


def _processor_crop(processor: Any, resample: str) -> CropSettings:
    size, cut = processor.size, getattr(processor, "crop_size", None) if getattr(processor, "do_center_crop", False) else None
    side_px = None if cut is None else _square(cut)
    if size is not None and size.shortest_edge is not None:
        short_px, share = _pixels(size.shortest_edge), getattr(processor, "crop_pct", None)
        if isinstance(share, int | float) and share > 0:
            if short_px >= _CONVNEXT_SQUEEZES_FROM_PX:
                return _crop(short_px, resample, None)
            return _crop(short_px, resample, int(short_px / share))
        if side_px is None:
            what = "The detector keeps the shape of pictures, and its network reads squares"
            raise refuse(f"{what}: its preprocessor_config.json lacks a crop.")
        return _crop(side_px, resample, short_px)
    squeezed_px = _square(size)
    if side_px in (None, squeezed_px):
        return _crop(squeezed_px, resample, None)
    return _crop(side_px, resample, squeezed_px, "squeezed")


def _square(size: Any) -> int:
    if size is None or size.height is None or size.height != size.width:
        raise refuse("The detector reads pictures that are not square, or does not say their size.")
    return _pixels(size.height)


def _differ(processor: Any, ours: Preparation, seed: int, shape: tuple[int, int]) -> float:
    """By how many levels of 255 the processor's picture and ours differ at most; infinitely where it gives none of that shape."""
    random = np.random.RandomState(seed)
    coarse = Image.fromarray(random.randint(0, 256, (7, 9, 3), dtype=np.uint8)).resize((shape[1], shape[0]), Image.Resampling.BICUBIC)
    picture = Image.fromarray(np.asarray(coarse) // 8 * 7 + random.randint(0, 32, (*shape, 3), dtype=np.uint8))
    side = ours.crop.side_px
    box = ours.crop.picture_box(picture.width, picture.height)
    cut = np.asarray(picture.resize((side, side), Image.Resampling[ours.crop.resample.upper()], box=box), np.float32)
    try:
        given = np.asarray(processor(images=picture, return_tensors="np")["pixel_values"], np.float32)
    except Exception:
        return math.inf
    if given.shape != (1, 3, side, side):
        return math.inf
    theirs = given[0].transpose(1, 2, 0) * np.array(ours.std, np.float32) + np.array(ours.mean, np.float32)
    return float(np.abs(theirs * 255 - cut).max())


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
    crop = _crop(side_px, resample, math.floor(side_px / share) if mode == "center" else None, "round")
    return Preparation(_colours(pretrained.get("mean"), -1), _colours(pretrained.get("std"), 1e-3), crop)
