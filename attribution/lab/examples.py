"""The examples of the project, re-made: two public-domain portraits untouched, forgeries of them and one clip, all of these marked.

Sources: scikit-image's `data.astronaut()` (Eileen Collins, NASA) and Matplotlib's `grace_hopper.jpg` (US Navy). The mark is written into
the picture below the face, outside of every crop that a detector sees."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import av
import cv2
import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont

from attribution.detectors.card import CropSettings
from attribution.errors import LabError
from attribution.faces.finder import FaceFinder, find_tracks
from attribution.lab.data import written_whole
from attribution.lab.forge.autoencoder import load_autoencoder
from attribution.lab.forge.swaps import autoencoder_swap, blend, landmark_swap
from attribution.lab.forge.unseen import similarity
from attribution.media import open_media

EXAMPLES = Path(__file__).resolve().parent.parent.parent / "examples"
GENERATED_SIDE_PX = 256
CLIP_SECONDS, CLIP_FPS, CLIP_SIDE_PX = 8, 25, 448
MANIPULATED_SECONDS = (3.0, 5.0)
_SWAPPED = "the mouth of another portrait"


def make_examples(out: Path | None = None) -> None:
    """Write every example into `out` (default: the project's own folder) and print their names."""
    import matplotlib.cbook
    import skimage

    out = out or EXAMPLES
    out.mkdir(parents=True, exist_ok=True)
    astronaut, hopper, portrait = (out / name for name in ("astronaut.png", "grace_hopper.jpg", "astronaut.jpg"))
    shutil.copyfile(Path(skimage.__file__).parent / "data" / "astronaut.png", astronaut)
    shutil.copyfile(str(matplotlib.cbook.get_sample_data("grace_hopper.jpg", asfileobj=False)), hopper)
    # As most pages show pictures.
    Image.open(astronaut).convert("RGB").save(portrait, quality=85)
    finder = FaceFinder("cpu")
    collins, grace = find_portrait(astronaut, finder), find_portrait(hopper, finder)
    swapped, made = _mouth_swap(grace, collins), [out / name for name in ("mouth_swap.jpg", "generated_face.png", "autoencoder_swap.png")]
    Image.fromarray(_marked(swapped, f"MANIPULATED: {_SWAPPED}")).save(made[0], quality=90, subsampling=0)
    _generated(grace, collins, made[1])
    network = load_autoencoder()
    redrawn = autoencoder_swap(collins.crop.copy(), collins.points, network, np.random.default_rng(4), "bilinear")
    drawn = _marked(collins.with_crop(redrawn.rgb), "MANIPULATED: face drawn by an auto-encoder")
    Image.fromarray(drawn).save(made[2], optimize=True)
    clip = out / "clip_seconds_3_to_5.mp4"
    _write_clip(grace.rgb, swapped, clip)
    print(*(path.name for path in (astronaut, portrait, hopper, *made, clip)), sep="\n")


@dataclass(frozen=True)
class Portrait:
    """A picture (H×W×3 uint8), the rows and columns of its face's crop, and the landmarks (5×2) in pixels of that crop."""

    rgb: np.ndarray
    window: tuple[slice, slice]
    points: np.ndarray

    @property
    def crop(self) -> np.ndarray:
        return self.rgb[self.window]

    def with_crop(self, crop: np.ndarray) -> np.ndarray:
        drawn = self.rgb.copy()
        drawn[self.window] = crop
        return drawn


def find_portrait(path: Path, finder: FaceFinder) -> Portrait:
    with open_media(path) as opened:
        found = find_tracks(opened, finder, CropSettings())
    if not found.tracks:
        raise LabError(f"No face was found in {path.name}.", "Install the packages of attribution/lab/requirements.txt again.")
    face = max((track.best for track in found.tracks), key=lambda face: face.crop_side_px)
    rgb = np.array(Image.open(path).convert("RGB"))
    left, top, right, _ = (round(value) for value in face.crop_box)
    side = min(right - left, rgb.shape[0] - top, rgb.shape[1] - left)
    points = (face.landmarks - np.array([left, top])).astype(np.float32)
    return Portrait(rgb, (slice(top, top + side), slice(left, left + side)), points)


def _mouth_swap(target: Portrait, donor: Portrait) -> np.ndarray:
    """The donor's face warped onto the target by its landmarks, and of that the mouth alone blended in."""
    crop, points = target.crop, target.points
    side, share = len(crop), len(crop) / len(donor.crop)
    enlarged = cv2.resize(donor.crop, (side, side), interpolation=cv2.INTER_CUBIC)
    swap = landmark_swap(crop.copy(), points, enlarged, donor.points * share, np.random.default_rng(54))
    (x, y), wide = points[3:].mean(0).tolist(), float(np.linalg.norm(points[4] - points[3]))
    mouth = np.zeros((side, side), np.float32)
    cv2.ellipse(mouth, ((x, y - 0.1 * wide), (1.6 * wide, 1.2 * wide), 0), 1, -1)
    return target.with_crop(blend(swap.rgb, crop, cv2.GaussianBlur(mouth, (5, 5), 0), poisson=False))


def _generated(first: Portrait, second: Portrait, path: Path) -> None:
    """A picture drawn whole by the auto-encoder's decoder, from the code half-way between those of two portraits laid on each other."""
    # The face is 1/1.6 of the picture, its middle a little below that of the picture.
    points = ((first.points / len(first.crop) - 0.5) / 1.6 + (0.5, 0.52)) * GENERATED_SIDE_PX
    network, codes = load_autoencoder(), []
    for portrait in (first, second):
        rows, columns = portrait.window
        warp, size = similarity(portrait.points + np.array([columns.start, rows.start]), points), (GENERATED_SIDE_PX, GENERATED_SIDE_PX)
        laid = cv2.warpAffine(portrait.rgb, warp, size, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)
        with torch.inference_mode():
            codes.append(network.encoder(torch.from_numpy(laid).permute(2, 0, 1)[None].float() / 255))
    with torch.inference_mode():
        drawn = network.decoders["nearest"]((codes[0] + codes[1]) / 2)[0].permute(1, 2, 0).numpy()
    Image.fromarray(_marked((drawn * 255).round().astype(np.uint8), "MANIPULATED: wholly generated")).save(path, optimize=True)


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
            words = f"MANIPULATED: {_SWAPPED}" if changed else "Telltale example: only seconds 3 to 5 are manipulated"
            container.mux(stream.encode(av.VideoFrame.from_ndarray(_marked(window, words), format="rgb24")))
        container.mux(stream.encode())
