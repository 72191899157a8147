"""A generated face pasted into a photograph shows as an island in the patch view.

Without labelled faces: a DNA-Det of full size is trained here for a part of a minute on the mirror image of a portrait and on that as the
project's own auto-encoder draws it, and then looks at the portrait itself, with a face that the auto-encoder has drawn. With labelled
faces (environment variable TELLTALE_DATA): the embedded detector looks at faces by the generators that it knows.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn import functional

from attribution.detectors.predictor import Predictor
from attribution.evidence import Patches
from attribution.explain.patches import patch_view
from attribution.lab.data import ENVIRONMENT_VARIABLE, find_data, read_manifest
from attribution.lab.forge.autoencoder import UPSAMPLINGS, load_autoencoder
from attribution.lab.measure.dnadet import as_tiles, inside_and_outside, pasted
from attribution.lab.train.dnadet import start_with_frequencies
from attribution.models.backbones import normalise
from attribution.models.dnadet import DnaDet
from attribution.pipeline import Analysis, Pipeline, examine, load_pipeline
from attribution.render.patches import islands
from conftest import GENERATED_LABELS, MEAN, STD, write_detector

PORTRAIT = Path(__file__).resolve().parent.parent / "examples" / "grace_hopper.jpg"
DRAWN = "stylegan2"
STEPS, PATCHES = 40, 24


def _cut(picture: np.ndarray, count: int, random: np.random.Generator) -> list[np.ndarray]:
    places = random.integers(0, picture.shape[0] - 64 + 1, (count, 2)).tolist()
    return [picture[y : y + 64, x : x + 64] for y, x in places]


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> Pipeline:
    """A pipeline whose detector has learnt to tell the auto-encoder's drawings from photographs."""
    folder = write_detector(tmp_path_factory.mktemp("detector"), "dna_det", {"img_size": 224}, 224, labels=GENERATED_LABELS)
    pipeline = load_pipeline(str(folder), "cpu")
    tiles = examine(PORTRAIT, pipeline).tiles[0]
    assert tiles is not None
    crops = [np.ascontiguousarray(tile[:, ::-1]) for tile in tiles.pixels]
    network = load_autoencoder()
    drawings = [network.resynthesise(crop, kind) for crop in crops for kind in UPSAMPLINGS]
    torch.manual_seed(3)
    model = DnaDet(len(GENERATED_LABELS), img_size=224).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    start_with_frequencies(model.stages[0].conv_halve)  # type: ignore[arg-type, union-attr]
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-3)
    random = np.random.default_rng(3)
    drawn = [label.name for label in GENERATED_LABELS].index(DRAWN)
    labels = torch.tensor([0] * (PATCHES // 2) + [drawn] * (PATCHES // 2))
    model.train()
    for _ in range(STEPS):
        batch = [patch for pool in (crops, drawings) for _ in range(4) for patch in _cut(pool[random.integers(len(pool))], 3, random)]
        inputs = normalise(torch.from_numpy(np.stack(batch)), MEAN, STD).contiguous(memory_format=torch.channels_last)
        loss = functional.cross_entropy(model.forward_patches(inputs)[1], labels)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    pipeline.predictor.model.load_state_dict(model.eval().state_dict())
    return pipeline


@pytest.fixture(scope="module")
def photograph(pipeline: Pipeline) -> Analysis:
    return examine(PORTRAIT, pipeline)


@pytest.fixture(scope="module")
def edited(pipeline: Pipeline, photograph: Analysis, tmp_path_factory: pytest.TempPathFactory) -> Analysis:
    """The portrait, its face drawn by the auto-encoder and pasted in."""
    track = photograph.evidence.tracks[0].track
    assert track is not None
    x0, y0, x1, y1 = (round(value) for value in track.best.crop_box)
    rgb = np.array(Image.open(PORTRAIT).convert("RGB"))
    rgb[y0:y1, x0:x1] = load_autoencoder().resynthesise(np.ascontiguousarray(rgb[y0:y1, x0:x1]), "transposed")
    path = tmp_path_factory.mktemp("edited") / "edited.png"
    Image.fromarray(rgb).save(path)
    return examine(path, pipeline)


def _patches(found: Analysis, pipeline: Pipeline) -> Patches:
    tiles = found.tiles[0]
    assert tiles is not None
    return patch_view(pipeline.predictor, tiles)


def test_a_pasted_face_is_an_island_and_the_photograph_around_it_is_none(
    pipeline: Pipeline, photograph: Analysis, edited: Analysis
) -> None:
    media, track = edited.evidence.media, photograph.evidence.tracks[0].track
    assert track is not None
    face = track.best.crop_box
    found = islands(_patches(edited, pipeline), pipeline.predictor.info, face, media.width, media.height)
    assert found.on_face.generated >= 0.7 * found.on_face.patches
    assert found.around.generated <= 0.3 * found.around.patches
    patches = _patches(edited, pipeline)
    centres = [((box[0] + box[2]) / 2, (box[1] + box[3]) / 2) for box in (patches.boxes[one] for one in found.members[0])]
    covered = sum(face[0] <= x <= face[2] and face[1] <= y <= face[3] for x, y in centres)
    assert covered >= 0.7 * found.on_face.patches, "the largest island covers the pasted face"


def test_the_photograph_itself_has_no_such_island(pipeline: Pipeline, photograph: Analysis) -> None:
    media = photograph.evidence.media
    found = islands(_patches(photograph, pipeline), pipeline.predictor.info, photograph.evidence.tracks[0].box, media.width, media.height)
    assert found.on_face.generated <= 0.3 * found.on_face.patches


@pytest.mark.skipif(not os.environ.get(ENVIRONMENT_VARIABLE), reason=f"{ENVIRONMENT_VARIABLE} names no folder of labelled faces")
def test_windows_of_generated_faces_stand_out_in_photographs() -> None:
    from attribution.detectors.loading import EMBEDDED_FOLDER, load_folder

    data = find_data()
    predictor = Predictor(load_folder(EMBEDDED_FOLDER / "telltale-dna-det"))
    rows = [row for row in read_manifest(data) if row.split == "test"]
    photographs = [row for row in rows if row.source == "ffhq"][:12]
    inside, outside = [], []
    for method in ("generated_photos", "sdxl", "flux1"):
        for photograph, generated in zip(photographs, [row for row in rows if row.method == method], strict=False):
            pictures = [np.asarray(Image.open(data / row.path).convert("RGB")) for row in (photograph, generated)]
            picture, corner = pasted(*pictures)
            both = inside_and_outside(patch_view(predictor, as_tiles(picture)), corner)
            inside.append(both[0].mean())
            outside.append(both[1].mean())
    assert np.mean(inside) >= np.mean(outside) + 0.3
