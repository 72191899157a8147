"""Which files a detector is measured on: folders, lists, and what is refused before anything is examined."""

from __future__ import annotations

from pathlib import Path

import pytest

from attribution.cli import main
from attribution.errors import NothingToMeasure, OneKindOnly, RepeatedFile, TooFewFiles
from attribution.measuring.listing import listed
from attribution.text import measuring as text


def put(folder: Path, count: int, first: int = 0) -> None:
    """Files of one byte string each; what they are is not looked at."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(first, first + count):
        (folder / f"{number}.png").write_bytes(str(number).encode())


def test_files_are_found_and_grouped_by_their_folders(tmp_path: Path) -> None:
    put(tmp_path / "real" / "phones" / "deeper", 30)
    put(tmp_path / "real", 20, 100)
    put(tmp_path / "manipulated" / "swap", 25, 200)
    put(tmp_path / "StyleGAN" / "seeds", 25, 300)
    put(tmp_path / ".hidden", 3, 400)
    found = listed(tmp_path)
    assert {(one.manipulated, one.group) for one in found.items} == {
        (False, "real"), (False, "real/phones"), (True, "manipulated/swap"), (True, "StyleGAN"),
    }  # fmt: skip
    assert len(found.items) == 100


def test_a_list_names_files_labels_and_groups(tmp_path: Path) -> None:
    put(tmp_path / "files", 100)
    rows = [f"files/{n}.png,{'Real' if n < 50 else 'swap'},{'clip1' if n % 2 else ''}" for n in range(100)]
    source = tmp_path / "list.csv"
    source.write_text("\n".join(["path,label,group", *rows]), encoding="utf-8-sig")
    found = listed(source)
    assert [one.manipulated for one in found.items] == [False] * 50 + [True] * 50
    assert {one.group for one in found.items} == {"Real", "swap", "clip1"}
    source.write_text("file,kind\na,b\n", encoding="utf-8")
    with pytest.raises(NothingToMeasure, match=r"The list list\.csv has no columns called path and label\. Its first row must be"):
        listed(source)
    source.write_text("path,label\nfiles/1.png,\n", encoding="utf-8")
    with pytest.raises(NothingToMeasure, match="Row 2 of the list"):
        listed(source)


def test_what_cannot_be_measured_is_refused_in_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(NothingToMeasure, match=f"{text.NO_FOLDER} Give a folder with the sub-folders real and manipulated"):
        listed(tmp_path / "missing")
    with pytest.raises(NothingToMeasure, match="There is no file to measure on"):
        listed(tmp_path)
    put(tmp_path / "real", 60)
    with pytest.raises(OneKindOnly, match=r"only untouched files \(60\).* Add at least 50 files of the other kind\."):
        listed(tmp_path)
    put(tmp_path / "swap", 49, 100)
    with pytest.raises(TooFewFiles, match=r"60 untouched and 49 manipulated ones\. Measuring takes at least 50 of each kind\."):
        listed(tmp_path)
    put(tmp_path / "swap", 1, 5)
    with pytest.raises(RepeatedFile, match=r"“real/5\.png” and as “swap/5\.png”, which are not of one kind and group\. Keep one"):
        listed(tmp_path)
    assert main(["measure", str(tmp_path), "--device", "cpu"]) == 2
