"""Files to measure a detector on: copies of the examples, cropped, turned, lit and encoded differently each."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageEnhance

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
# Where the face is in it: centre and side of a square around it, as shares of the width.
FACES = {
    "astronaut.png": (0.44, 0.24, 0.34),
    "grace_hopper.jpg": (0.5, 0.42, 0.52),
    "mouth_swap.jpg": (0.5, 0.42, 0.52),
    "autoencoder_swap.png": (0.44, 0.24, 0.34),
}
REAL, MANIPULATED = ("astronaut.png", "grace_hopper.jpg"), ("mouth_swap.jpg", "autoencoder_swap.png")


def write_copies(folder: Path, count: int, names: tuple[str, ...], seed: int) -> None:
    """`folder/<name of the example>/0.jpg` and so on: `count` copies, all different, the same every time."""
    random = np.random.default_rng(seed)
    for number in range(count):
        name = names[number % len(names)]
        across, down, side = FACES[name]
        with Image.open(EXAMPLES / name) as opened:
            picture = opened.convert("RGB")
        width, half = picture.width, side * opened.width / 2 * random.uniform(0.95, 1.1)
        x, y = (width * (one + random.uniform(-0.02, 0.02)) for one in (across, down))
        face = picture.crop((round(x - half), round(y - half), round(x + half), round(y + half))).resize(
            (176, 176), Image.Resampling.LANCZOS
        )
        face = ImageEnhance.Brightness(face).enhance(random.uniform(0.85, 1.15))
        place = folder / Path(name).stem
        place.mkdir(parents=True, exist_ok=True)
        face.save(place / f"{number}.jpg", quality=int(random.integers(75, 95)))
