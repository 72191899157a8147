"""A results file of the generalisability study with every table of its schema, for the tests of the page *Why detectors fail*. The figures
are made up, seeded; the columns are those that the lab writes."""

from __future__ import annotations

import json
from dataclasses import dataclass
from math import comb
from pathlib import Path
from typing import Any

import numpy as np

from attribution.detectors.card import Cell, MeasuredTable
from attribution.measured.study import ZEROSHOT_SCHEMA

DETECTORS: tuple[tuple[Any, ...], ...] = (
    ("meso4", "Meso4", 256, 28_073, 16, "from scratch", 400, 24, 2.1),
    ("mesoinception4", "MesoInception4", 256, 28_615, 16, "from scratch", 240, 24, 3.0),
    ("shallownet_v3", "ShallowNetV3", 128, 3_041_000, 512, "from scratch", 200, 24, 4.2),
    ("efficientnet_b0", "EfficientNet-B0", 128, 4_010_000, 1280, "from scratch", 200, 24, 6.8),
    ("xception", "Xception", 128, 20_810_000, 2048, "from scratch", 120, 24, 11.5),
    ("mobilenetv2", "MobileNetV2 (the default's network)", 128, 2_226_000, 1280, "ImageNet", 200, 24, 3.7),
    ("telltale-mobilenetv2", "the default detector of this app", 224, 2_236_000, 1280, "shipped", None, None, None),
    ("telltale-caddm", "the ID-unaware detector of this app", 224, 5_900_000, 512, "shipped", None, None, None),
)
SOURCES: tuple[tuple[Any, ...], ...] = (
    ("dfdc_swap", "DFDC face swap", "face_swap", 200, 200, "dfdc", 1),
    ("autoencoder_swap", "Auto-encoder face swap", "face_swap", 200, 200, "web", 1),
    ("stylegan2", "StyleGAN2", "gan", 200, 200, "web", 1),
    ("generated_photos", "generated.photos", "gan", 200, 200, "web", 1),
    ("sd21", "Stable Diffusion 2.1", "diffusion", 200, 200, "web", 1),
    ("sdxl", "SDXL", "diffusion", 163, 200, "web", 1),
    ("flux1", "FLUX.1", "diffusion", 200, 200, "web", 0),
    ("stylegan2_elsewhere", "StyleGAN2, collected elsewhere", "gan", 200, 200, "elsewhere", 0),
    ("generated_photos_elsewhere", "generated.photos, collected elsewhere", "gan", 190, 200, "elsewhere", 0),
    ("unseen_swap", "Face swap, another way", "face_swap", 200, 200, "elsewhere", 0),
)
TRAINED = tuple(row[0] for row in SOURCES if row[-1])
ADDED = dict(zip(TRAINED, ("stylegan2", "generated_photos", "sd21", "sdxl", "autoencoder_swap", "dfdc_swap"), strict=True))
OWN = tuple(row[0] for row in DETECTORS if row[5] != "shipped")
CAVEAT = "Every training is short and was done once, on faces of 128 to 256 px; a longer one may carry further. The figures are made up."
EXAMPLES = (
    ("astronaut.png", 160, 45, 290, 175, 0),
    ("landmark_swap.png", 160, 45, 290, 175, 1),
    ("autoencoder_swap.png", 160, 45, 290, 175, 1),
    ("grace_hopper.jpg", 170, 110, 380, 320, 0),
)
Rows = list[tuple[Cell, ...]]
ESTIMATE = ("low", "high")
SHARES = (0.5, 0.25, 0.125, 0.0625)
WITHOUT, STRONGEST = "keep, chosen without the tested source", "keep, strongest on the trained-on source"
POOLED = ("trained on", "never trained", "all")


@dataclass(frozen=True)
class World:
    """What the made-up study found. AUCs, differences of AUC, a mean SSIM, and units chosen everywhere beyond chance as shares of all;
    `half` is half the width of every interval, `spread` the standard deviation between cells."""

    trained_on: float = 0.93
    never_seen: float = 0.58
    new: float = 0.3
    old: float = -0.06
    carried: float = 0.0
    ssim: float = 0.62
    learned: float = 0.06
    born: float = 0.05
    kept: float = -0.03
    kept_above_random: float = 0.02
    kept_above_strongest: float = -0.001
    readout: float = -0.004
    half: float = 0.03
    spread: float = 0.05


def tables(world: World | None = None, seed: int = 3) -> dict[str, MeasuredTable]:
    """Every table by key."""
    world, random = world or World(), np.random.default_rng(seed)
    made = (_about(), _matrix(world, random), _cost(world, random), _attention(world, random), _neurons(world, random))
    return {key: one for some in (*made, _ablation(world, random), _readout(world)) for key, one in some.items()}


def zeroshot_json(some: dict[str, MeasuredTable] | None = None) -> dict[str, Any]:
    """The file as plain JSON."""
    written = {
        key: {"title": one.title, "columns": list(one.columns), "rows": [list(row) for row in one.rows], "note": one.note}
        for key, one in (tables() if some is None else some).items()
    }
    return {"schema": ZEROSHOT_SCHEMA, "caveat": CAVEAT, "plan": {"seed": 7}, "tables": written}


def write_zeroshot(path: Path, some: dict[str, MeasuredTable] | None = None) -> Path:
    path.write_text(json.dumps(zeroshot_json(some)), encoding="utf-8")
    return path


def table(title: str, columns: tuple[str, ...], rows: list[tuple[Cell, ...]], note: str = "") -> MeasuredTable:
    return MeasuredTable(title, columns, tuple(rows), note or f"A note on {title.lower()}.")


def _around(value: float, half: float, least: float = 0.0, most: float = 1.0) -> tuple[float, float, float]:
    value = min(max(float(value), least), most)
    return round(value, 4), round(max(value - half, least), 4), round(min(value + half, most), 4)


def _signed(value: float, half: float) -> tuple[float, float, float]:
    return _around(value, half, -1.0, 1.0)


def _about() -> dict[str, MeasuredTable]:
    columns = ("detector", "display", "input px", "parameters", "units", "start", "steps", "faces a batch", "minutes")
    beside = ("source", "display", "family", "manipulated", "untouched beside them", "untouched kind", "trained on")
    timing: list[tuple[Cell, ...]] = [("causality of one detector from cached features", 1024, 5, 21.4), ("permutation test", 1024, 6, 2.2)]
    return {
        "detectors": table("Detectors", columns, list(DETECTORS)),
        "sources": table("Sources", beside, list(SOURCES)),
        "timing": table("Time on two cores", ("what", "units", "sources", "seconds"), timing),
    }


def _matrix(world: World, random: np.random.Generator) -> dict[str, MeasuredTable]:
    rows: Rows = []
    means: Rows = []
    faces = {row[0]: row[3] + row[4] for row in SOURCES}
    for detector, *_, start, _, _, _ in DETECTORS:
        shipped = start == "shipped"
        for variant in ("shipped",) if shipped else ("base", "top", "all"):
            for source in ("",) if shipped else TRAINED:
                for tested in faces:
                    seen = tested in TRAINED if shipped else tested == source
                    added = "" if shipped or variant == "base" else ADDED[source]
                    relation = "trained on" if seen else "added" if tested == added else "never seen"
                    usual = {"trained on": world.trained_on, "added": world.trained_on - 0.04, "never seen": world.never_seen}[relation]
                    gain = 0.3 if shipped and not seen else 0.0
                    auc = _around(usual + gain + random.normal(0, world.spread), world.half)
                    right = _around(0.5 + (auc[0] - 0.5) * 0.6, world.half)
                    rows.append((detector, variant, source, added, tested, relation, faces[tested], *auc, *right))
            seen_auc = world.trained_on + random.normal(0, 0.01)
            unseen = world.never_seen + (0.3 if shipped else 0) + random.normal(0, 0.01)
            for figure, value in (("AUC trained on", seen_auc), ("AUC never seen", unseen), ("drop", seen_auc - unseen)):
                means.append((detector, variant, figure, *_signed(value, world.half / 2)))
    places = ("detector", "variant", "trained on", "added", "tested on", "relation", "faces")
    columns = (*places, "AUC", *ESTIMATE, "balanced accuracy", *ESTIMATE)
    return {
        "matrix": table("Trained here, tested there", columns, rows),
        "summary": table("Means over sources", ("detector", "variant", "figure", "value", *ESTIMATE), means),
    }


def _cost(world: World, random: np.random.Generator) -> dict[str, MeasuredTable]:
    rows: Rows = []
    for detector in OWN:
        for variant, share in (("top", 0.6), ("all", 1.0)):
            for source in (*TRAINED, "mean"):
                for on, value in (("old", world.old), ("new", world.new), ("never seen", world.carried)):
                    noise = random.normal(0, world.spread / (5 if source == "mean" else 2))
                    rows.append((detector, variant, source, ADDED.get(source, ""), on, *_signed(value * share + noise, world.half)))
    columns = ("detector", "variant", "trained on", "added", "on", "difference", *ESTIMATE)
    return {"cost": table("What a second source changes", columns, rows)}


def _attention(world: World, random: np.random.Generator) -> dict[str, MeasuredTable]:
    rows: Rows = []
    for detector in OWN:
        for pair, usual in (("base–top", world.ssim + 0.2), ("base–all", world.ssim), ("top–all", world.ssim + 0.05), ("chance", 0.3)):
            mean = _around(usual + random.normal(0, 0.02), world.half / 2)
            below = float(np.clip(1.6 - 1.7 * mean[0], 0.02, 0.96))
            above = (1 - below) * 0.4
            rows.append((detector, pair, 600, *mean, round(below, 3), round(1 - below - above, 3), round(above, 3)))
    maps: Rows = []
    for example, *_, manipulated in EXAMPLES:
        for detector, *_ in DETECTORS[: len(OWN)]:
            side = {"meso4": 8, "mesoinception4": 8, "shallownet_v3": 14, "efficientnet_b0": 4}.get(detector, 4)
            for source in TRAINED:
                for variant in ("base", "top", "all"):
                    values = _blob(side, random)
                    p = round(float(np.clip(0.4 * manipulated + random.uniform(0, 0.6), 0, 1)), 3)
                    maps.append((example, detector, source, "" if variant == "base" else ADDED[source], variant, side, p, values))
    shares = ("below 0.7", "0.7 to 0.9", "above 0.9")
    crops: list[tuple[Cell, ...]] = list(EXAMPLES)
    return {
        "attention": table("How alike heatmaps are", ("detector", "pair", "faces", "mean SSIM", *ESTIMATE, *shares), rows),
        "attention_maps": table(
            "Heatmaps of the examples", ("example", "detector", "trained on", "added", "variant", "side", "p", "values"), maps
        ),
        "example_faces": table("Faces of the examples", ("example", "left", "top", "right", "bottom", "manipulated"), crops),
    }


def _blob(side: int, random: np.random.Generator) -> str:
    """A heatmap with one or two hot places, as hex digits row by row."""
    y, x = np.mgrid[0:side, 0:side] / max(side - 1, 1)
    heat = sum(
        strength * np.exp(-((x - random.uniform(0.2, 0.8)) ** 2 + (y - random.uniform(0.2, 0.8)) ** 2) / 0.05) for strength in (1.0, 0.6)
    )
    heat = np.asarray(heat)
    return "".join(f"{round(255 * value):02x}" for value in (heat / heat.max()).ravel().tolist())


def _neurons(world: World, random: np.random.Generator) -> dict[str, MeasuredTable]:
    counts: Rows = []
    everywhere: Rows = []
    controls: Rows = []
    for detector, *_, units, _, _, _, _ in DETECTORS[: len(OWN)]:
        for source, state in (*((source, "trained") for source in TRAINED), ("", "untrained")):
            for share in SHARES:
                chance = [comb(6, s) * share**s * (1 - share) ** (6 - s) for s in range(7)]
                excess = world.learned if state == "trained" else world.born
                extra = max(0.0, excess + random.normal(0, 0.01)) * (2 * share)
                mixed = np.array(chance) * (1 - extra) + extra * np.eye(7)[6]
                found = random.multinomial(units, mixed / mixed.sum())
                place = (detector, source, state, share)
                for s in range(7):
                    spread = 2 * (units * chance[s]) ** 0.5
                    mean = units * chance[s]
                    luck = (round(mean, 2), round(max(0.0, mean - spread), 1), round(mean + spread, 1))
                    counts.append((*place, s, int(found[s]), *luck))
                universal, k = int(found[6]), round(units * share)
                p = 0.0005 if universal > counts[-1][-1] else 0.3  # type: ignore[operator]
                everywhere.append((*place, k, units, universal, max(0, universal - 4), universal + 5, *counts[-1][-3:], p))
                strict = (round(0.9 * universal, 2), round(0.6 * universal, 1), round(1.2 * universal, 1), 0.2)
                controls.append((*place, k, units, universal, *strict, round(0.7 * universal)))
    places, luck_columns = ("detector", "trained on", "state", "share kept"), ("chance", "chance low", "chance high")
    counted = (*places, "k", "units", "universal")
    columns = (*places, "chosen in", "units", "expected", *luck_columns[1:])
    return {
        "neurons": table("In how many sources a unit is chosen", columns, counts),
        "universal": table("Universal units", (*counted, *ESTIMATE, *luck_columns, "p"), everywhere),
        "universal_controls": table("Universal units: stricter controls", (*counted, *luck_columns, "p", "manipulated only"), controls),
    }


def _ablation(world: World, random: np.random.Generator) -> dict[str, MeasuredTable]:
    rows: Rows = []
    gaps: Rows = []
    for detector in OWN:
        for source in (*TRAINED, "mean"):
            whole = world.never_seen + random.normal(0, 0.01)
            rows.append((detector, source, 1.0, "keep", *_around(whole, world.half)))
            for share in (0.015625, 0.03125, 0.0625, 0.125, 0.25, 0.5, 0.75):
                less = 1 - share
                ways = {
                    "keep": world.kept * less * 2,
                    "remove": -world.kept_above_random * share * 2,
                    "keep random": (world.kept - world.kept_above_random) * less * 2,
                    "remove random": 0.0,
                }
                if source == "mean":
                    ways[WITHOUT] = ways["keep"] - 0.005
                    ways[STRONGEST] = ways["keep"] - world.kept_above_strongest * less
                shift = {way: value + random.normal(0, 0.002) for way, value in ways.items()}
                rows += [(detector, source, share, way, *_around(whole + value, world.half)) for way, value in shift.items()]
                for way in ("keep", "remove", *((WITHOUT,) if source == "mean" else ())):
                    against = {"all units": 0.0, "random units": shift["remove random" if way == "remove" else "keep random"]}
                    if STRONGEST in shift and way != "remove":
                        against["strongest units"] = shift[STRONGEST]
                    for name, other in against.items():
                        gaps.append((detector, source, share, way, name, *_signed(shift[way] - other, world.half / 2)))
    places = ("detector", "trained on", "share", "way")
    return {
        "ablation": table("Keeping and removing universal units", (*places, "AUC", *ESTIMATE), rows),
        "ablation_differences": table("Differences of AUC by units kept", (*places, "against", "difference", *ESTIMATE), gaps),
    }


def _readout(world: World) -> dict[str, MeasuredTable]:
    rows: Rows = []
    gaps: Rows = []
    readouts = {"as it is": (1280, 0.0), "all units, refitted": (1280, 0.01)}
    for share, units in (("1/2", 402), ("1/4", 96)):
        readouts[f"universal {share}, own head"] = (units, world.readout)
        readouts[f"universal {share}, refitted"] = (units, world.readout - 0.01)
    for faces, auc in (("val (choice)", 0.96), *((source, 0.9) for source, *_ in SOURCES), *((name, 0.9) for name in POOLED)):
        for readout, (units, gain) in readouts.items():
            rows.append((faces, readout, units, *_around(auc + gain, world.half / 2), *_around(auc - 0.08 + gain, world.half / 2)))
            if readout != "as it is":
                gaps.append((faces, readout, *_signed(gain, world.half / 3)))
            if readout.startswith("universal") and readout.endswith("refitted"):
                gaps.append((faces, f"{readout} − all units, refitted", *_signed(gain - 0.01, world.half / 3)))
    columns = ("faces", "readout", "units", "AUC", *ESTIMATE, "balanced accuracy", *ESTIMATE)
    return {
        "readout": table("The default detector by its universal units", columns, rows),
        "readout_differences": table("Differences of AUC between readouts", ("faces", "readout", "difference", *ESTIMATE), gaps),
    }
