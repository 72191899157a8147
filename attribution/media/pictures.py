"""Still pictures, decoded by Pillow. Runs only in the worker process."""

from __future__ import annotations

from typing import Any

import numpy as np
from PIL import GifImagePlugin, Image, ImageOps, JpegImagePlugin, MpoImagePlugin, PngImagePlugin, WebPImagePlugin

from attribution.errors import DamagedMedia, MediaTooLarge
from attribution.media.kept import KeptPicture, small_size
from attribution.media.limits import MediaLimits

# Imported now, because a decoder that is at work has given up what importing needs. (An MPO is a JPEG with more pictures behind it.)
OPENERS = (GifImagePlugin, JpegImagePlugin, MpoImagePlugin, PngImagePlugin, WebPImagePlugin)

# Pictures are put on white in bands of this many rows: the whole at once would hold three copies.
_BAND_ROWS = 512


def read_picture(path: str, opener: str, limits: MediaLimits) -> tuple[KeptPicture, list[str]]:
    """The picture, upright RGB, and plain notes on what was done to it. Raises MediaError."""
    # The limit below is ours and is checked on the header; Pillow's own would warn at one size and refuse at another.
    Image.MAX_IMAGE_PIXELS = None
    notes: list[str] = []
    try:
        with Image.open(path, formats=[opener]) as opened:
            if opened.width * opened.height > limits.max_pixels:
                raise MediaTooLarge(f"The picture has {opened.width}×{opened.height} pixels, more than we open.", "Scale it down first.")
            if getattr(opened, "is_animated", False):
                notes.append(f"Only the first picture of this animated or multi-picture {opener} file was looked at.")
            opened.load()
            image = _rgb(ImageOps.exif_transpose(opened), notes)
    except (MediaTooLarge, MemoryError):
        raise
    except Exception as error:
        raise DamagedMedia(
            "The picture is cut off or damaged: not all of it could be decoded, so it was not judged at all.",
            "Get the original file again, or open it and save a new copy.",
        ) from error
    size = small_size(image.width, image.height, None, limits.picture_side_px)
    small = image if size == image.size else image.resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0)
    return KeptPicture(image, np.array(small), image.width, image.height), notes


def _rgb(image: Any, notes: list[str]) -> Image.Image:
    """Any of Pillow's modes as RGB."""
    if image.mode.startswith("I") or image.mode == "F":
        notes.append("The picture has 16 bits a pixel; it was looked at in 8.")
        return _from_sixteen_bits(image)
    if image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info:
        return _on_white(image, notes)
    if image.mode == "CMYK":
        notes.append("The picture is in print colours (CMYK); they were converted without a colour profile.")
    return image if image.mode == "RGB" else image.convert("RGB")


def _from_sixteen_bits(image: Image.Image) -> Image.Image:
    # Pillow's own conversion clips everything above 255 to white.
    eight_bits = (np.clip(np.asarray(image), 0, 65535) / 257 + 0.5).astype(np.uint8)
    return Image.fromarray(eight_bits).convert("RGB")


def _on_white(image: Image.Image, notes: list[str]) -> Image.Image:
    """Transparent areas on white; a note only when there are any."""
    result = Image.new("RGB", image.size, "white")
    seen_through = False
    for top in range(0, image.height, _BAND_ROWS):
        band = image.crop((0, top, image.width, min(top + _BAND_ROWS, image.height))).convert("RGBA")
        alpha = band.getchannel("A")
        seen_through = seen_through or int(np.asarray(alpha).min()) < 255
        result.paste(band.convert("RGB"), (0, top), alpha)
    if seen_through:
        notes.append("Transparent areas of the picture were put on white.")
    return result
