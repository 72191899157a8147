"""Pictures made from evidence: heat over a face, boxes on a picture, small copies, and pictures as data URIs for HTML.

Pictures are H×W×3 uint8 RGB. Only pixels that are already decoded come here.
"""

import base64
import io
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from attribution.evidence import Box
from attribution.render.palette import LIGHT, heat_colours

_LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)


def heat_over(crop: np.ndarray, heat: np.ndarray, strength: float = 0.85) -> np.ndarray:
    """The crop in grey with heat over it. `heat` is h×w in [0, 1], stretched to the crop; `strength` is the opacity of the hottest point.
    Opacity grows with heat, so that a cold area shows the face and not a colour."""
    height, width = crop.shape[:2]
    if heat.shape != (height, width):
        heat = np.asarray(Image.fromarray(heat.astype(np.float32), mode="F").resize((width, height), Image.Resampling.BICUBIC))
    heat = np.clip(heat, 0, 1)
    opacity = (strength * np.sqrt(heat))[..., None]
    return np.clip(grey(crop) * (1 - opacity) + heat_colours(heat) * opacity + 0.5, 0, 255).astype(np.uint8)


def grey(picture: np.ndarray) -> np.ndarray:
    """The lightness of a picture, H×W×3 float32."""
    return np.repeat((picture.astype(np.float32) @ _LUMA)[..., None], 3, axis=2)


def boxes_on(picture: np.ndarray, boxes: Sequence[Box], numbers: Sequence[int], chosen: int | None = None) -> np.ndarray:
    """A copy of the picture with numbered boxes (in pixels of `picture`). Each line is white within dark, so that it shows on any ground;
    the box whose number is `chosen` is drawn twice as thick."""
    canvas = Image.fromarray(picture)
    pen = ImageDraw.Draw(canvas)
    thin = max(1, round(max(picture.shape[:2]) / 400))
    font = ImageFont.load_default(size=max(11, 7 * thin))
    for box, number in zip(boxes, numbers, strict=True):
        line = 2 * thin if number == chosen else thin
        x0, y0, x1, y1 = (round(side) for side in box)
        pen.rectangle((x0 - line, y0 - line, x1 + line, y1 + line), outline=LIGHT.ink, width=3 * line)
        pen.rectangle((x0, y0, x1, y1), outline="#FFFFFF", width=line)
        label = f" {number} "
        left, top, right, bottom = pen.textbbox((0, 0), label, font=font)
        at = (max(0, min(x0, picture.shape[1] - (right - left))), max(0, y0 - (bottom - top) - 4 * line))
        pen.rectangle((at[0], at[1], at[0] + right - left, at[1] + bottom - top + 2 * line), fill=LIGHT.ink)
        pen.text((at[0] - left, at[1] - top + line), label, font=font, fill="#FFFFFF")
    return np.asarray(canvas)


def fitted(picture: np.ndarray, side_px: int) -> np.ndarray:
    """The picture scaled down (never up) until its longer side is at most `side_px`."""
    return picture if max(picture.shape[:2]) <= side_px else scaled(picture, side_px)


def scaled(picture: np.ndarray, side_px: int) -> np.ndarray:
    """The picture scaled, down or up, until its longer side is `side_px`."""
    height, width = picture.shape[:2]
    factor = side_px / max(height, width)
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    return np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.LANCZOS))


def data_uri(picture: np.ndarray, quality: int | None = 88) -> str:
    """The picture as `data:image/jpeg;base64,…` of that quality, or as PNG when `quality` is None. No metadata goes with it."""
    stream = io.BytesIO()
    kind, options = ("png", {"compress_level": 6}) if quality is None else ("jpeg", {"quality": quality, "subsampling": 0})
    Image.fromarray(picture).save(stream, kind.upper(), **options)
    return f"data:image/{kind};base64,{base64.b64encode(stream.getvalue()).decode('ascii')}"


def small_uri(picture: np.ndarray, side_px: int, quality: int = 88) -> str:
    """A copy of at most `side_px` as a data URI."""
    return data_uri(fitted(picture, side_px), quality)
