"""The examples of the project, re-made: two public-domain portraits untouched, two forgeries of them and one clip, all marked.

Sources: scikit-image's `data.astronaut()` (Eileen Collins, NASA) and Matplotlib's `grace_hopper.jpg` (US Navy). The mark is written into
the picture below the face, outside of every crop that a detector sees."""

from __future__ import annotations

import shutil
from pathlib import Path

import av
import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from attribution.detectors.card import CropSettings
from attribution.errors import LabError
from attribution.evidence import Face
from attribution.faces.finder import FaceFinder, find_tracks
from attribution.lab.data import written_whole
from attribution.lab.forge.autoencoder import load_autoencoder
from attribution.lab.forge.swaps import autoencoder_swap, landmark_swap
from attribution.media import open_media

EXAMPLES = Path(__file__).resolve().parent.parent.parent / "examples"
CLIP_SECONDS, CLIP_FPS, CLIP_SIDE_PX = 8, 25, 448
MANIPULATED_SECONDS = (3.0, 5.0)
_DRAWN = "face drawn by an auto-encoder"


def make_examples(out: Path | None = None) -> None:
    """Write every example into `out` (default: the project's own folder) and print their names."""
    import matplotlib.cbook
    import skimage

    out = out or EXAMPLES
    out.mkdir(parents=True, exist_ok=True)
    astronaut, hopper = out / "astronaut.png", out / "grace_hopper.jpg"
    shutil.copyfile(Path(skimage.__file__).parent / "data" / "astronaut.png", astronaut)
    shutil.copyfile(str(matplotlib.cbook.get_sample_data("grace_hopper.jpg", asfileobj=False)), hopper)
    finder = FaceFinder("cpu")
    target, donor = _face(astronaut, finder), _face(hopper, finder)
    portrait = np.array(Image.open(astronaut).convert("RGB"))
    other = np.array(Image.open(hopper).convert("RGB"))

    # Forged at the portrait's own resolution.
    here, there = _window(portrait, target), _window(other, donor)
    side, crop = here[0].stop - here[0].start, portrait[here]
    points = _points(target, here, side)
    donor_crop = cv2.resize(other[there], (side, side), interpolation=cv2.INTER_AREA)
    random = np.random.default_rng
    swap = landmark_swap(crop.copy(), points, donor_crop, _points(donor, there, side), random(3))
    redrawn = autoencoder_swap(crop.copy(), points, load_autoencoder(), random(4), "bilinear")
    made, drawn = [], portrait
    for name, forged, words in (("landmark_swap", swap, "landmark face swap"), ("autoencoder_swap", redrawn, _DRAWN)):
        drawn = portrait.copy()
        drawn[here] = forged.rgb
        made.append(out / f"{name}.png")
        Image.fromarray(_marked(drawn, f"MANIPULATED: {words}")).save(made[-1], optimize=True)
    clip = out / "clip_seconds_3_to_5.mp4"
    _write_clip(portrait, drawn, clip)
    print(*(path.name for path in (astronaut, hopper, *made, clip)), sep="\n")


def _face(path: Path, finder: FaceFinder) -> Face:
    with open_media(path) as opened:
        found = find_tracks(opened, finder, CropSettings())
    if not found.tracks:
        raise LabError(f"No face was found in {path.name}.", "Install the packages of attribution/lab/requirements.txt again.")
    return max((track.best for track in found.tracks), key=lambda face: face.crop_side_px)


def _window(rgb: np.ndarray, face: Face) -> tuple[slice, slice]:
    """Rows and columns of the face's crop, in whole pixels."""
    left, top, right, _ = (round(value) for value in face.crop_box)
    side = min(right - left, rgb.shape[0] - top, rgb.shape[1] - left)
    return slice(top, top + side), slice(left, left + side)


def _points(face: Face, window: tuple[slice, slice], side_px: int) -> np.ndarray:
    offset = np.array([window[1].start, window[0].start])
    return ((face.landmarks - offset) * side_px / (window[0].stop - window[0].start)).astype(np.float32)


def _marked(rgb: np.ndarray, words: str) -> np.ndarray:
    """A band with the words along the lower edge."""
    picture = Image.fromarray(rgb)
    draw = ImageDraw.Draw(picture)
    height = max(22, rgb.shape[0] // 20)
    draw.rectangle((0, rgb.shape[0] - height, rgb.shape[1], rgb.shape[0]), fill=(20, 20, 20))
    font = ImageFont.load_default(size=height * 0.55)
    draw.text((rgb.shape[1] / 2, rgb.shape[0] - height / 2), words, fill=(255, 214, 90), anchor="mm", font=font)
    return np.array(picture)


def _write_clip(untouched: np.ndarray, manipulated: np.ndarray, path: Path) -> None:
    """A slow pan over the portrait, 25 frames a second; the frames of seconds 3 to 5 show the manipulated one."""
    room = min(untouched.shape[:2]) - CLIP_SIDE_PX
    with written_whole(path) as file, av.open(str(file), "w") as container:
        stream = container.add_stream("libx264", rate=CLIP_FPS)
        stream.width = stream.height = CLIP_SIDE_PX
        stream.pix_fmt = "yuv420p"
        # One thread and fixed settings give the same bytes on every run.
        stream.options = {"crf": "17", "preset": "slow", "threads": "1"}
        for number in range(CLIP_SECONDS * CLIP_FPS):
            seconds = number / CLIP_FPS
            phase = 2 * np.pi * seconds / CLIP_SECONDS
            left, top = round(room / 2 * (1 + np.sin(phase))), round(room / 4 * (1 - np.cos(phase)))
            changed = MANIPULATED_SECONDS[0] <= seconds < MANIPULATED_SECONDS[1]
            window = (manipulated if changed else untouched)[top : top + CLIP_SIDE_PX, left : left + CLIP_SIDE_PX].copy()
            words = f"MANIPULATED: {_DRAWN}" if changed else "Telltale example: only seconds 3 to 5 are manipulated"
            container.mux(stream.encode(av.VideoFrame.from_ndarray(_marked(window, words), format="rgb24")))
        container.mux(stream.encode())
