"""What several test files share: small detector folders, really built and written with safetensors, with random weights."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

# Two workers share the cores, and the servers that they start inherit this: one thread each, set before PyTorch is imported.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from attribution.detectors import loading
from attribution.detectors.card import (
    ArtifactRule,
    Calibration,
    Card,
    CropSettings,
    Label,
    MeasuredTable,
    Probe,
    Thresholds,
    Training,
)
from attribution.detectors.loading import LoadedDetector, load_folder, probe_logits
from attribution.detectors.predictor import Predictor
from attribution.explain.reference import kth_distances, write_reference
from attribution.models.architectures import CADDM, DNA_DET
from attribution.models.backbones import Projection, build_backbone, features, normalise, pooled_width

if TYPE_CHECKING:
    from app_server import Server
    from attribution.pipeline import Pipeline
    from hub_server import LoopbackHub

LABELS = (
    Label("real", "No manipulation", "real", "An untouched photograph.", "portraits"),
    Label("landmark_swap", "Landmark face swap", "face_swap", "Another person's face, warped.", "made for this test"),
    Label("stylegan2", "StyleGAN2", "gan", "Synthesised whole.", "made for this test"),
    Label("flux1", "FLUX.1", "diffusion", "Synthesised whole.", "made for this test"),
)
GENERATED_LABELS = (
    Label("real", "No manipulation", "real", "An untouched photograph.", "portraits"),
    Label("stylegan2", "StyleGAN2", "gan", "Synthesised whole.", "made for this test", "style-based GAN"),
    Label("generated_photos", "generated.photos", "gan", "Synthesised whole.", "made for this test", "style-based GAN"),
    Label("sdxl", "SDXL", "diffusion", "Synthesised whole.", "made for this test", "latent diffusion, U-Net"),
    Label("flux1", "FLUX.1", "diffusion", "Synthesised whole.", "made for this test", "latent diffusion, transformer"),
)
SWAP_LABELS = (
    Label("real", "No manipulation", "real", "An untouched photograph.", "portraits"),
    Label("swapped", "Face swap or pasted part", "face_swap", "Parts of another face.", "made for this test"),
)
MEAN = (0.5, 0.5, 0.5)
STD = (0.5, 0.5, 0.5)
SIDE_PX = 96
# The anchors of the artifact detection module lie on the maps of a crop of this side alone.
SWAP_SIDE_PX = 224
REFERENCES = 24
# With these a random detector's answer is that of its head alone.
SURE = Thresholds(
    p_manipulated_above=0.8, p_manipulated_below=0.2, method_min_p=0.6, family_min_p=0.6, max_atypicality=1.0, neighbour_veto=None
)


def some_crops(count: int, side_px: int = SIDE_PX, seed: int = 1) -> np.ndarray:
    """N×S×S×3 uint8 with structure at several scales, all different."""
    random = np.random.RandomState(seed)
    coarse = random.randint(0, 200, (count, 6, 6, 3), dtype=np.uint8)
    rows = np.arange(side_px) * 6 // side_px
    return coarse[:, rows][:, :, rows] + random.randint(0, 50, (count, side_px, side_px, 3), dtype=np.uint8)


def write_detector(
    folder: Path,
    architecture: str = "mobilenetv2_100",
    model_args: dict[str, object] | None = None,
    side_px: int = SIDE_PX,
    thresholds: Thresholds | None = None,
    labels: Sequence[Label] = LABELS,
    scope: str = "any",
    favours: str = "",
    name: str = "random-for-tests",
    artifacts: ArtifactRule | None = None,
) -> Path:
    """A whole detector folder with random weights that are the same every time. What it `favours` it nearly always answers."""
    folder.mkdir(parents=True, exist_ok=True)
    model_args = {"pad_type": "same"} if model_args is None and architecture in ("mobilenetv2_100", CADDM) else model_args or {}
    torch.manual_seed(7)
    model = build_backbone(architecture, len(labels), model_args)
    with torch.no_grad():
        # A random network answers almost the same to everything: spread its answers by normalising on some inputs, as training would.
        model.train()
        for _ in range(2):
            features(model, normalise(torch.from_numpy(some_crops(8, side_px)), MEAN, STD))
        if favours:
            head: Any = model
            head.get_classifier().bias[[label.name for label in labels].index(favours)] += 12
    model.half().float().eval()
    projection = Projection(pooled_width(model), 16)
    with torch.no_grad():
        projection.weight.normal_(std=0.05)
    save_file(
        {key: value.half() if value.is_floating_point() else value for key, value in model.state_dict().items()},
        folder / "model.safetensors",
    )
    config = {
        "architecture": architecture,
        "num_classes": len(labels),
        "num_features": pooled_width(model),
        "label_names": [label.name for label in labels],
        "model_args": model_args,
        "pretrained_cfg": {
            "input_size": [3, side_px, side_px],
            "mean": list(MEAN),
            "std": list(STD),
            "interpolation": "lanczos",
            "crop_pct": 1.0,
            "num_classes": len(labels),
            "pool_size": None,
            "first_conv": None,
            "classifier": None,
        },
    }
    (folder / "config.json").write_text(json.dumps(config, indent=2), encoding="utf-8")
    _write_bank(folder, model, projection, side_px, labels)
    (folder / "README.md").write_text("# A detector of random weights, for tests\n", encoding="utf-8")
    card = Card(
        name=name,
        licence="CC0-1.0",
        labels=tuple(labels),
        crop=CropSettings(side_px=side_px),
        calibration=Calibration(temperature=1.5, ece_before=0.2, ece_after=0.04, measured_on="nothing"),
        thresholds=thresholds or Thresholds(p_manipulated_above=0.8, p_manipulated_below=0.2, method_min_p=0.6, family_min_p=0.6),
        training=Training(data="none: the weights are random", licence="CC0-1.0", seeds=(7,)),
        probes=tuple(Probe(seed, tuple(probe_logits(model, MEAN, STD, side_px, seed))) for seed in (1, 2)),
        files={name: digest(folder / name) for name in ("model.safetensors", "config.json", "reference.safetensors")},
        measured=(MeasuredTable("Recall by source", ("source", "faces", "recall"), (("portraits", 3, 0.5), ("none", 0, None))),),
        limits=("It was never trained: its answers mean nothing.",),
        scope=scope,
        artifacts=artifacts,
    )
    (folder / "card.json").write_text(json.dumps(card.to_json(), indent=2), encoding="utf-8")
    return folder


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _write_bank(folder: Path, model: torch.nn.Module, projection: Projection, side_px: int, labels: Sequence[Label]) -> None:
    crops = torch.from_numpy(some_crops(REFERENCES + 12, side_px, seed=3))
    with torch.inference_mode():
        embeddings = projection(features(model, normalise(crops, MEAN, STD))[0]).numpy()
    bank, validation = embeddings[:REFERENCES], embeddings[REFERENCES:]
    write_reference(
        folder / "reference.safetensors",
        projection.weight.detach().numpy(),
        bank,
        bank[:, :2] * 10,
        [labels[i % len(labels)].name for i in range(REFERENCES)],
        [f"source_{i % 3}" for i in range(REFERENCES)],
        kth_distances(validation, bank),
    )


@pytest.fixture(scope="session", autouse=True)
def _no_limits_of_the_machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What somebody measured on this machine changes no answer of a test."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HF_HOME", str(tmp_path_factory.mktemp("home")))
        yield


@pytest.fixture(scope="session")
def detector_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A detector folder; read it, do not change it."""
    return write_detector(tmp_path_factory.mktemp("detectors") / "random")


@pytest.fixture
def own_detector(detector_folder: Path, tmp_path: Path) -> Path:
    """A copy of the detector folder that the test may damage."""
    return Path(shutil.copytree(detector_folder, tmp_path / "detector"))


class Folders(Protocol):
    """For a label, and the side of the crops in pixels, a folder of random weights that finds that label everywhere; read it, do not
    change it."""

    def __call__(self, favours: str, side_px: int = ...) -> Path: ...


class Embed(Protocol):
    """For the answer of the default, and that of the detector of face swaps where there is to be one, a folder that stands for `weights/`
    during a test; it is the test's own."""

    def __call__(self, favours: str, swap: str = ...) -> Path: ...


@pytest.fixture(scope="session")
def default_folders(tmp_path_factory: pytest.TempPathFactory) -> Folders:
    """Detectors for every kind of face."""
    parent = tmp_path_factory.mktemp("defaults")

    def folder(favours: str, side_px: int = SIDE_PX) -> Path:
        own = parent / f"{favours}-{side_px}"
        return own if own.is_dir() else write_detector(own, side_px=side_px, thresholds=SURE, favours=favours, name="random-default")

    return folder


@pytest.fixture(scope="session")
def generated_folders(tmp_path_factory: pytest.TempPathFactory) -> Folders:
    """DNA-Dets for wholly generated faces."""
    parent = tmp_path_factory.mktemp("dna-dets")

    def folder(favours: str, side_px: int = SIDE_PX) -> Path:
        own = parent / f"{favours}-{side_px}"
        # It shrinks larger crops itself: whole ones take this big network seconds.
        of_its_kind: dict[str, Any] = {"labels": GENERATED_LABELS, "scope": "generated", "name": "random-dna-det"}
        of_its_kind |= {"model_args": {"img_size": SIDE_PX}} if side_px != SIDE_PX else {}
        return own if own.is_dir() else write_detector(own, DNA_DET, side_px=side_px, thresholds=SURE, favours=favours, **of_its_kind)

    return folder


@pytest.fixture(scope="session")
def generated_folder(generated_folders: Folders) -> Path:
    """A folder of random DNA-Det weights for wholly generated faces, which finds StyleGAN2 everywhere; read it, do not change it."""
    return generated_folders("stylegan2")


@pytest.fixture(scope="session")
def swap_folders(tmp_path_factory: pytest.TempPathFactory) -> Folders:
    """ID-unaware detectors for face swaps, which mark places on every face."""
    parent = tmp_path_factory.mktemp("caddms")

    def folder(favours: str, side_px: int = SWAP_SIDE_PX) -> Path:
        own = parent / f"{favours}-{side_px}"
        of_its_kind: dict[str, Any] = {"labels": SWAP_LABELS, "scope": "face_swap", "artifacts": ArtifactRule(0.51), "name": "random-caddm"}
        return own if own.is_dir() else write_detector(own, CADDM, side_px=side_px, thresholds=SURE, favours=favours, **of_its_kind)

    return folder


@pytest.fixture(scope="session")
def swap_folder(swap_folders: Folders) -> Path:
    """A folder of random CADDM weights for face swaps, which finds a swap everywhere; read it, do not change it."""
    return swap_folders("swapped")


@pytest.fixture
def embed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, default_folders: Folders, generated_folders: Folders, swap_folders: Folders
) -> Embed:
    """Embeds a default which finds that label everywhere, a DNA-Det which finds StyleGAN2, and with `swap` (`swapped` or `real`) a
    CADDM which finds that. With a CADDM all of them read crops of its side."""

    def embedded(favours: str, swap: str = "") -> Path:
        folder = tmp_path / "weights"
        side_px = SWAP_SIDE_PX if swap else SIDE_PX
        shutil.copytree(default_folders(favours, side_px), folder / loading.DEFAULT_DETECTOR)
        shutil.copytree(generated_folders("stylegan2", side_px), folder / "random-dna-det")
        if swap:
            shutil.copytree(swap_folders(swap), folder / "random-caddm")
        monkeypatch.setattr(loading, "EMBEDDED_FOLDER", folder)
        return folder

    return embedded


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """An installed Chromium, for one module: `asyncio.run` fails while Playwright's loop runs. Without one its tests are skipped, or fail
    where FAIL_WITHOUT_BROWSER is set."""
    missing = pytest.fail if os.environ.get("FAIL_WITHOUT_BROWSER") else pytest.skip
    try:
        from browser import chromium, find_chromium
    except ModuleNotFoundError:
        missing("playwright is not installed (pip install -r tests/requirements.txt)")
    path = find_chromium()
    if path is None:
        missing("no Chromium was found; install one, or name it in CHROMIUM")
    with chromium(path) as running:
        yield running


@pytest.fixture(scope="session")
def app_hub() -> Iterator[LoopbackHub]:
    """The Hub that the running app asks."""
    from hub_server import LoopbackHub

    with LoopbackHub() as running:
        yield running


@pytest.fixture(scope="session")
def app_folder(default_folders: Folders) -> Path:
    """The detector of the running app, which finds a face swap everywhere."""
    return default_folders("landmark_swap")


@pytest.fixture(scope="session")
def server(app_folder: Path, app_hub: LoopbackHub, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The running app, one for all tests of a worker."""
    from app_server import start, stop

    environment: dict[str, Any] = app_hub.environment()
    running = start(str(app_folder), tmp_path_factory.mktemp("server"), **environment)
    yield running
    stop(running, signal.SIGKILL)


@pytest.fixture
def visit(browser: Any, server: Server) -> Iterator[Callable[..., Any]]:
    """`visit(width=…, color_scheme=…)` opens the page. At the end no reader's page may have seen an error or asked a stranger."""
    from browser import Reader

    readers, contexts = [], []

    def opened(width: int = 1280, height: int = 900, **settings: Any) -> Any:
        contexts.append(browser.new_context(viewport={"width": width, "height": height}, accept_downloads=True, **settings))
        readers.append(Reader(contexts[-1], server.address))
        return readers[-1].open()

    yield opened
    found = [(reader.errors, reader.strangers) for reader in readers]
    for context in contexts:
        context.close()
    assert found == [([], set())] * len(found)


@pytest.fixture(scope="session")
def loaded_detector(detector_folder: Path) -> LoadedDetector:
    return load_folder(detector_folder)


@pytest.fixture(scope="session")
def predictor(loaded_detector: LoadedDetector) -> Predictor:
    return Predictor(loaded_detector, "cpu")


@pytest.fixture(scope="session")
def pipeline(detector_folder: Path) -> Pipeline:
    """Every part that examines a file, with the random detector."""
    from attribution.pipeline import load_pipeline

    return load_pipeline(str(detector_folder), "cpu")


@pytest.fixture(scope="session")
def default() -> Pipeline:
    """The default detector and all that works beside it."""
    from attribution.pipeline import load_pipeline

    return load_pipeline(device="cpu")
