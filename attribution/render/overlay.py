"""Pictures made from evidence: heat over a face, small copies, and pictures as data URIs for HTML.

Pictures are H×W×3 uint8 RGB. Only pixels that are already decoded come here.
"""

import base64
import io

import numpy as np
from PIL import Image

from attribution.render.palette import heat_colours

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
