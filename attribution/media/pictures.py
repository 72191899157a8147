"""Pictures, decoded by Pillow: still ones, and animations for `animations`. Runs only in the worker process."""

import contextlib
from collections.abc import Callable, Iterator

import numpy as np
from PIL import AvifImagePlugin, GifImagePlugin, Image, JpegImagePlugin, MpoImagePlugin, PngImagePlugin, WebPImagePlugin

from attribution.errors import DamagedMedia, MediaError, MediaTooLarge, UnsupportedMedia
from attribution.media.kept import KeptPicture, small_size
from attribution.media.limits import MediaLimits
from attribution.messages import Message
from attribution.text.reasons import reason

# Imported now, because a decoder that is at work has given up what importing needs. (An MPO is a JPEG with more pictures behind it.)
OPENERS = (AvifImagePlugin, GifImagePlugin, JpegImagePlugin, MpoImagePlugin, PngImagePlugin, WebPImagePlugin)

# Pictures are converted in bands of this many rows: the whole at once would hold several copies.
_BAND_ROWS = 512

# EXIF 2.32, tag Orientation: how the stored picture must be turned to be upright.
_ORIENTATION_TAG = 0x0112
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def read_picture(path: str, opener: str, limits: MediaLimits) -> tuple[KeptPicture, list[Message]]:
    """The picture, or the first of several, upright RGB, and plain notes on what was done to it. Raises MediaError."""
    notes: list[Message] = []
    with opened_picture(path, opener) as opened:
        if opened.width * opened.height > limits.max_pixels:
            raise MediaTooLarge(reason("too_many_pixels", across=opened.width, down=opened.height), reason("scale_down"))
        if opened.format == "MPO":
            notes.append(reason("first_picture_only", format=opener))
        opened.load()
        image, turn = rgb(opened, notes), turn_of(opened)
    # Turned last: by now what the decoder held is given back, and RGB is the smallest form.
    if turn is not None:
        image = image.transpose(turn)
    size = small_size(image.width, image.height, None, limits.picture_side_px)
    small = image if size == image.size else image.resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0)
    return KeptPicture(image, np.array(small), image.width, image.height), notes


@contextlib.contextmanager
def opened_picture(path: str, opener: str) -> Iterator[Image.Image]:
    """The picture, of which only the header is read. Whatever Pillow raises within becomes DamagedMedia."""
    # The limits on pixels are ours and are checked on the header; Pillow's own would warn at one size and refuse at another.
    Image.MAX_IMAGE_PIXELS = None
    if opener == "AVIF" and not AvifImagePlugin.SUPPORTED:
        raise UnsupportedMedia(reason("picture_not_opened", format=opener), reason("convert_picture"))
    try:
        with Image.open(path, formats=[opener]) as opened:
            yield opened
    except (MediaError, MemoryError):
        raise
    except Exception as error:
        raise DamagedMedia(reason("picture_damaged"), reason("save_copy")) from error


def turn_of(opened: Image.Image) -> Image.Transpose | None:
    """How the stored picture is to be turned to be upright."""
    # A picture with broken EXIF is still a picture.
    with contextlib.suppress(Exception):
        return _TURNS.get(int(opened.getexif().get(_ORIENTATION_TAG, 1)))
    return None


def rgb(image: Image.Image, notes: list[Message]) -> Image.Image:
    """Any of Pillow's modes as RGB."""
    if image.mode.startswith("I") or image.mode == "F":
        notes.append(reason("sixteen_bits"))
        return _banded(image, _from_sixteen_bits)
    if image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info:
        return _on_white(image, notes)
    if image.mode == "CMYK":
        notes.append(reason("print_colours"))
    return image.copy() if image.mode == "RGB" else image.convert("RGB")


def _banded(image: Image.Image, convert: Callable[[Image.Image], Image.Image]) -> Image.Image:
    """The picture converted band by band."""
    result = Image.new("RGB", image.size)
    for top in range(0, image.height, _BAND_ROWS):
        result.paste(convert(image.crop((0, top, image.width, min(top + _BAND_ROWS, image.height)))), (0, top))
    return result


def _from_sixteen_bits(band: Image.Image) -> Image.Image:
    # Pillow's own conversion clips everything above 255 to white.
    return Image.fromarray(((np.clip(np.asarray(band), 0, 65535).astype(np.uint32) + 128) // 257).astype(np.uint8)).convert("RGB")


def _on_white(image: Image.Image, notes: list[Message]) -> Image.Image:
    """Transparent areas on white; a note only when there are any."""
    seen_through = False

    def covered(band: Image.Image) -> Image.Image:
        nonlocal seen_through
        band = band.convert("RGBA")
        alpha = band.getchannel("A")
        seen_through = seen_through or int(np.asarray(alpha).min()) < 255
        white = Image.new("RGB", band.size, "white")
        white.paste(band.convert("RGB"), (0, 0), alpha)
        return white

    result = _banded(image, covered)
    if seen_through:
        notes.append(reason("transparent"))
    return result
