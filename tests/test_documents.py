"""The documents say what the program does: commands, code, names, figures and links are compared with the real ones."""

from __future__ import annotations

import contextlib
import io
import json
import re
import shlex
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

import attribution
from attribution.cli import main
from attribution.detectors.card import Card
from attribution.lab.publish.folder import model_card

ROOT = Path(__file__).resolve().parent.parent
DOCUMENTS = (
    "README.md",
    "DEVELOPERS.md",
    "CHANGELOG.md",
    "examples/README.md",
    *(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md")),
)
SECTIONS = [
    "Run it",
    "Test it", "What it cannot tell you", "Five lines of Python", "Four lines of command line", "How good it is", "Where to go on",
    "Licences",
]  # fmt: skip
INSTALL = "python3 -m venv .venv && .venv/bin/pip install -r requirements.txt"
DETECTORS = ("telltale-attribution", "telltale-dna-det", "telltale-swap")


def text_of(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def code_blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def section(name: str, title: str) -> str:
    """The text under a heading of any depth, up to the next heading."""
    found = re.search(rf"^#+ {re.escape(title)}\n(.*?)(?=^#|\Z)", text_of(name), re.MULTILINE | re.DOTALL)
    assert found, f"{name} has no section {title!r}"
    return found[1]


@cache
def help_of(*command: str) -> str:
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), pytest.raises(SystemExit, match=r"^0$"):
        main([*command, "--help"])
    return printed.getvalue()


def flags_in(text: str) -> set[str]:
    return set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", text))


def commands(document: str) -> list[list[str]]:
    """Every `python -m attribution …` in the blocks of a document, as arguments after `attribution`."""
    blocks = code_blocks(text_of(document), "bash") + code_blocks(text_of(document), "")
    lines = [line for block in blocks for line in block.replace("\\\n", " ").splitlines() if " -m attribution " in line]
    return [shlex.split(line.partition(" -m attribution ")[2]) for line in lines]


def test_the_readme_is_short_and_in_order() -> None:
    assert len(text_of("README.md").encode()) <= 7 * 1024
    assert len(text_of("DEVELOPERS.md").encode()) <= 10 * 1024
    assert re.findall(r"^## (.+)$", text_of("README.md"), re.MULTILINE) == SECTIONS
    opening = text_of("README.md").split("# Telltale\n")[1].split("![")[0].strip()
    assert opening.count(".") == 1, "one sentence stands at the top"


def test_two_commands_do_everything() -> None:
    """`.ci/run` finds the test command by its pattern, and must find just the one that stands under *Test it*."""
    (run_it,) = code_blocks(section("README.md", "Run it"), "bash")
    (test_it,) = code_blocks(section("README.md", "Test it"), "bash")
    assert run_it.strip() == f"{INSTALL} && .venv/bin/python app.py"
    assert test_it.strip() == f"{INSTALL} -r tests/requirements.txt && .venv/bin/python -m pytest"
    (pattern,) = re.findall(r"grep -E '(.+)' README\.md", text_of(".ci/run"))
    assert [line for line in text_of("README.md").splitlines() if re.search(pattern, line)] == [test_it.strip()]
    assert 'FAIL_WITHOUT_BROWSER=1 bash -c "$test_command"' in text_of(".ci/run")


def test_the_five_lines_of_python_run() -> None:
    (code,) = code_blocks(text_of("README.md"), "python")
    assert len([line for line in code.splitlines() if line.strip()]) == 5
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert re.match(r"(manipulated|no_manipulation_found|inconclusive)\b", done.stdout), done.stderr


def test_the_four_lines_of_command_line_are_four() -> None:
    (block,) = code_blocks(section("README.md", "Four lines of command line"), "bash")
    assert len(block.strip().splitlines()) == 4
    named = [word for line in block.splitlines() for word in line.split() if word.startswith("examples/")]
    assert named
    assert [name for name in named if not (ROOT / name).is_file()] == []


@pytest.mark.parametrize("document", [one for one in DOCUMENTS if commands(one)])
def test_documented_commands_and_flags_exist(document: str) -> None:
    for arguments in commands(document):
        words = [word for word in arguments if re.fullmatch(r"[a-z]+(-[a-z]+)*", word)]
        command = words[: 1 if words[:1] != ["lab"] else 3 if words[1:2] in (["cases"], ["dna-det"], ["caddm"]) else 2]
        assert {flag for word in arguments for flag in flags_in(word)} <= flags_in(help_of(*command)) | {"--help"}, arguments


def test_every_flag_of_analyse_is_documented() -> None:
    assert flags_in(help_of("analyse")) - {"--help"} <= flags_in(section("DEVELOPERS.md", "Command line"))


def test_every_public_name_is_documented() -> None:
    named = re.findall(r"^\| `([^`]+)` \|", section("DEVELOPERS.md", "Python"), re.MULTILINE)
    assert sorted(named) == sorted({*attribution.__all__} - {"__version__"})
    assert all(hasattr(attribution, name) for name in attribution.__all__)


@pytest.mark.parametrize("document", DOCUMENTS)
def test_links_and_named_files_are_there(document: str) -> None:
    links = re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", text_of(document))
    assert [link for link in links if "://" not in link and not (ROOT / document).parent.joinpath(link).exists()] == []
    named = re.findall(r"`((?:attribution|tests|\.ci|weights|docs)/[\w./-]*)`", text_of(document))
    assert [name for name in named if not (ROOT / name).exists() and document != "CHANGELOG.md"] == []
    assert [
        name for block in code_blocks(text_of(document), "bash") for name in re.findall(r" -r (\S+)", block) if not (ROOT / name).is_file()
    ] == []


def test_every_example_is_listed_with_its_source() -> None:
    there = {path.name for path in (ROOT / "examples").iterdir()} - {"README.md"}
    assert set(re.findall(r"^\| `([^`]+)` \|", text_of("examples/README.md"), re.MULTILINE)) == there


def test_the_space_starts_what_the_readme_starts() -> None:
    settings = dict(re.findall(r"^(\w+): *(.*)$", text_of("README.md").split("---\n")[1], re.MULTILINE))
    assert settings["sdk"] == "gradio"
    assert (ROOT / settings["app_file"]).is_file()
    assert len(settings["short_description"]) <= 60
    assert re.findall(r"^gradio\[mcp\]==(.+)$", text_of("requirements.txt"), re.MULTILINE) == [settings["sdk_version"]]


def card_rows(detector: str, title: str) -> list[dict[str, object]]:
    """The rows of a table of the card; none where it has no such table. Of columns that come twice, such as "from", the first is kept
    under its name, the second as "from 2"."""
    table = next((one for one in json.loads(text_of(f"weights/{detector}/card.json"))["measured"] if one["title"] == title), None)
    if table is None:
        return []
    names = [name if name not in table["columns"][:at] else f"{name} 2" for at, name in enumerate(table["columns"])]
    return [dict(zip(names, row, strict=True)) for row in table["rows"]]


def test_the_figures_of_the_readme_are_those_of_the_cards_and_of_the_benchmark() -> None:
    def shares(row: dict[str, object]) -> str:
        return ", ".join(f"{100 * float(str(row[key])):.0f} %" for key in ("manipulated", "none found", "inconclusive"))

    overall = card_rows("telltale-attribution", "Overall")[-1]
    cross = {row["source"]: row for row in card_rows("telltale-attribution", "Verdicts on cross")}
    unseen = {row["left out"]: row for row in card_rows("telltale-attribution", "Verdicts on what training never saw")}
    pointed = {row["by"]: row for row in card_rows("telltale-swap", "Localisation") if row["cases"] == "partial swaps"}
    looked = [row for row in card_rows("telltale-attribution", "Localisation") if str(row["cases"]).startswith("partial swaps")]
    hits, centre = ([row for row in looked if row["by"] == by][:2] for by in ("heatmap", "crop centre"))
    generated = card_rows("telltale-dna-det", "Overall")[-1]
    speed = {one["name"]: one["value"] for one in json.loads(text_of("attribution/measured/data/benchmark.json"))["figures"]}
    expected = [
        f"{overall['families, balanced']} ({overall['from']}–{overall['to']})",
        f"{overall['DFDC AUC']} ({overall['from 2']}–{overall['to 2']})",
        shares(cross["all untouched"]),
        shares(cross["all manipulated"]),
        shares(unseen["mean of sources, manipulated"]),
        ", ".join(f"{row['hits']} ({row['hits low']}–{row['hits high']})" for row in hits),
        f"{pointed['boxes']['hits']} ({pointed['boxes']['hits low']}–{pointed['boxes']['hits high']})",
        f"{generated['macro-F1']} ({generated['from']}–{generated['to']})",
        ", ".join(f"{speed[f'{kind}, dropped on the page to verdict and heatmap']:.2f} s" for kind in ("picture", "clip")),
    ]
    rows = re.findall(r"^\| (?!measured|-)(.+) \| (.+) \|$", section("README.md", "How good it is"), re.MULTILINE)
    assert [figure for _, figure in rows] == expected
    assert any(f"(the centre of the crop does in {centre[0]['hits']} and {centre[1]['hits']})" in what for what, _ in rows)
    assert any(f"(the centre of the crop does in {pointed['crop centre']['hits']})" in what for what, _ in rows)


@pytest.mark.parametrize("detector", DETECTORS)
def test_the_model_card_is_written_from_the_card(detector: str) -> None:
    card = Card.from_json(json.loads(text_of(f"weights/{detector}/card.json")))
    assert text_of(f"weights/{detector}/README.md") == model_card(card) + "\n"
