"""AUCs across collections in the cards: which faces are compared, and that the command changes nothing else."""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest

from attribution.detectors.loading import load_folder
from attribution.lab import cli as command
from attribution.lab import metrics
from attribution.lab.measure.cross_auc import Scored, figures, pairs
from attribution.lab.train import caddm, methods
from conftest import Folders
from lab_faces import lab_data
from study_faces import row_of, rows_of


def test_a_row_has_both_means_and_the_worst_pair():
    # Two faces a group; a's untouched faces look like b's manipulated ones.
    sources = np.repeat(["a", "a", "b", "b"], 20)
    manipulated = np.tile(np.repeat([False, True], 20), 2)
    p = np.repeat([0.6, 0.9, 0.1, 0.6], 20)
    row = figures(Scored(manipulated, p, sources, np.arange(80) // 2))
    assert row == (80, 1, 1, 1, 0.75, 0.75, 0.75, 2, "a", "b", 0.5, 0.5, 0.5)
    assert [one[:5] for one in pairs(Scored(manipulated, p, sources, np.arange(80) // 2))] == [
        ("a", "a", 40, 1, 1), ("a", "b", 40, 0.5, 0.5), ("b", "a", 40, 1, 1), ("b", "b", 40, 1, 1),
    ]  # fmt: skip
    alone = figures(Scored(manipulated[:40], p[:40], sources[:40], np.arange(40)))
    assert alone == (40, 1, 1, 1, *metrics.NOT_MEASURED, 0, None, None, *metrics.NOT_MEASURED)


def test_the_command_adds_the_table_to_every_card(
    tmp_path: Path, default_folders: Folders, swap_folders: Folders, monkeypatch: pytest.MonkeyPatch
):
    # Few faces a source, and few resamples.
    monkeypatch.setattr(metrics.source_pairs, "__defaults__", (False, 2))
    monkeypatch.setattr(metrics.estimate, "__defaults__", (0, 20))
    data, work = lab_data()
    folders, before = [], []
    for made, name, settings in (
        (default_folders("real", 224), "any", methods.Settings("faces", "work", "run")),
        (swap_folders("swapped"), "swaps", caddm.Settings("faces", "work", "run", start="backbone.safetensors")),
    ):
        folders.append(tmp_path / name)
        shutil.copytree(made, folders[-1])
        card = load_folder(folders[-1]).card
        before.append(replace(card, training=replace(card.training, notes=(json.dumps(asdict(settings)),))))
        (folders[-1] / "card.json").write_text(json.dumps(before[-1].to_json()), encoding="utf-8")
    assert command.main(["cross-auc", "--data", str(data), "--work", str(work), *map(str, folders)]) == 0
    for folder, old in zip(folders, before, strict=True):
        card = load_folder(folder).card
        table, by_pair = card.measured[-2:]
        assert replace(card, measured=old.measured) == old
        assert (table.title, by_pair.title) == ("Cross-AUC", "Cross-AUC, pairs")
        assert "### Cross-AUC, pairs" in (folder / "README.md").read_text(encoding="utf-8")
        # The one for swaps is asked about the swaps that it learnt from: a single family needs no row of its own.
        families = ["all"] if folder.name == "swaps" else ["diffusion", "face_swap", "gan", "reenactment", "all"]
        named = {(row["faces of"], row["family"]) for row in rows_of(table)}
        assert named == {(split, family) for split in ("test", "cross") for family in families} | {
            (kind, "all") for kind in ("unseen swaps", "unseen partial swaps")
        }  # fmt: skip
        swaps = rows_of(table, faces_of="test", family=families[:2][-1])[0]
        # Untouched faces of dfdc and ffhq against swaps of dfdc; one for every face is asked about two more sources of both.
        assert (swaps["faces"], swaps["pairs"]) == ((9, 1) if folder.name == "swaps" else (21, 9))
        pair = row_of(by_pair, faces_of="test", untouched_from="dfdc", manipulated_from="dfdc")
        assert (swaps["AUC within"], swaps["low"]) == (pair["AUC"], pair["low"])
        assert row_of(table, faces_of="unseen swaps")["pairs"] == 2
