"""The documents say what the program does: commands, code, names, fields, levels and links are compared with the real ones."""

from __future__ import annotations

import dataclasses
import re
import shlex
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

import attribution
from attribution import evidence
from attribution.measured.study import read_study

ROOT = Path(__file__).resolve().parent.parent
DOCUMENTS = ("README.md", "DEVELOPERS.md", "CHANGELOG.md", "examples/README.md")
SECTIONS = [
    "Run it",
    "Test it",
    "Five lines of Python",
    "The command line",
    "Other detectors, from the Hugging Face Hub",
    "On Spaces and on your own server",
    "A second opinion on generated faces",
    "A second look at face swaps",
    "What it cannot tell you",
    "For classes: why detectors fail",
    "Detectors and their measured limits",
    "Licences",
]
INSTALL = "python3 -m venv .venv && .venv/bin/pip install -r requirements.txt"


def text_of(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def code_blocks(name: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", text_of(name), re.MULTILINE | re.DOTALL)


def section(name: str, title: str) -> str:
    """The text under a heading of any depth, up to the next heading."""
    found = re.search(rf"^#+ {re.escape(title)}\n(.*?)(?=^#|\Z)", text_of(name), re.MULTILINE | re.DOTALL)
    assert found, f"{name} has no section {title!r}"
    return found[1]


@cache
def run(*arguments: str) -> str:
    """What a command of the project prints; it must succeed."""
    done = subprocess.run([sys.executable, *arguments], cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_two_commands_do_everything() -> None:
    (run_it,) = re.findall(r"```bash\n(.*?)\n```", section("README.md", "Run it"), re.DOTALL)
    (test_it,) = re.findall(r"```bash\n(.*?)\n```", section("README.md", "Test it"), re.DOTALL)
    assert run_it == f"{INSTALL} && .venv/bin/python app.py"
    assert test_it == f"{INSTALL} -r tests/requirements.txt && .venv/bin/python -m pytest"


def test_ci_runs_the_readme_command_as_written() -> None:
    """`.ci/run` finds the command by this pattern, and must find just the one that stands under *Test it*."""
    (pattern,) = re.findall(r"grep -E '(.+)' README\.md", text_of(".ci/run"))
    (found,) = [line for line in text_of("README.md").splitlines() if re.search(pattern, line)]
    assert found in section("README.md", "Test it")
    assert 'FAIL_WITHOUT_BROWSER=1 bash -c "$test_command"' in text_of(".ci/run")


def test_what_the_commands_install_is_there() -> None:
    for document in DOCUMENTS:
        for command in code_blocks(document, "bash"):
            for wanted in re.findall(r"-r (\S+)", command):
                assert (ROOT / wanted).is_file(), f"{document}: {wanted}"


def test_the_five_lines_of_python_run(tmp_path: Path) -> None:
    (code,) = code_blocks("README.md", "python")
    assert len([line for line in code.splitlines() if line.strip()]) == 5
    printed = run("-c", code)
    assert re.match(r"(manipulated|no_manipulation_found|inconclusive)\b", printed)


def commands(document: str) -> list[list[str]]:
    """Every `python -m attribution …` in the blocks of a document, as arguments after `attribution`."""
    blocks = code_blocks(document, "bash") + code_blocks(document, "")
    lines = [line for block in blocks for line in block.replace("\\\n", " ").splitlines() if " -m attribution " in line]
    return [shlex.split(line.partition(" -m attribution ")[2]) for line in lines]


def flags_in(help_text: str) -> set[str]:
    return set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", help_text))


@pytest.mark.parametrize("document", ["README.md", "DEVELOPERS.md", "examples/README.md"])
def test_documented_commands_and_flags_exist(document: str) -> None:
    found = commands(document)
    assert found
    for arguments in found:
        words = [word for word in arguments if re.fullmatch(r"[a-z]+(-[a-z]+)*", word)]
        command = words[: 1 if words[:1] != ["lab"] else 3 if words[1:2] in (["dna-det"], ["caddm"]) else 2]
        known = flags_in(run("-m", "attribution", *command, "--help"))
        assert {flag for word in arguments for flag in flags_in(word)} <= known | {"--help"}, arguments


def test_every_flag_of_analyse_is_documented() -> None:
    assert flags_in(run("-m", "attribution", "analyse", "--help")) - {"--help"} <= flags_in(section("DEVELOPERS.md", "Command line"))


def test_a_missing_flag_is_seen() -> None:
    assert flags_in("[--detector NAME] --json OUT, not a-b--c") == {"--detector", "--json"}


def table_names(text: str) -> list[str]:
    """The code word in the first cell of each row of a table."""
    return re.findall(r"^\| `([^`]+)` \|", text, re.MULTILINE)


def test_every_public_name_is_documented() -> None:
    assert sorted(table_names(section("DEVELOPERS.md", "Python"))) == sorted({*attribution.__all__} - {"__version__"})
    assert all(hasattr(attribution, name) for name in attribution.__all__)
    assert attribution.__version__


@pytest.mark.parametrize(
    "name",
    [
        "Evidence",
        "Media",
        "DetectorInfo",
        "TrackEvidence",
        "Artifact",
        "Opinion",
        "Patches",
        "Verdict",
        "Moment",
        "Interval",
        "Placement",
        "Neighbour",
    ],
)
def test_every_field_of_the_json_is_documented(name: str) -> None:
    in_memory_only = {"TrackEvidence": {"track", "reading"}, "Opinion": {"face"}}.get(name, set())
    fields = [field.name for field in dataclasses.fields(getattr(evidence, name)) if field.name not in in_memory_only]
    assert table_names(section("DEVELOPERS.md", name)) == fields


def test_the_words_of_the_contract_are_documented() -> None:
    for word in (*evidence.STATES, *evidence.KINDS, *evidence.FAMILIES, *evidence.AGREEMENTS, evidence.UNKNOWN_METHOD, evidence.SCHEMA):
        assert f"`{word}`" in text_of("DEVELOPERS.md"), word


@pytest.mark.parametrize("document", DOCUMENTS)
def test_links_lead_to_files(document: str) -> None:
    links = re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", text_of(document))
    missing = [link for link in links if "://" not in link and not (ROOT / document).parent.joinpath(link).exists()]
    assert missing == []


def test_every_example_is_listed_with_its_source() -> None:
    there = {path.name for path in (ROOT / "examples").iterdir()} - {"README.md"}
    assert set(table_names(text_of("examples/README.md"))) == there


def test_the_space_starts_what_the_readme_starts() -> None:
    front_matter = text_of("README.md").split("---\n")[1]
    settings = dict(re.findall(r"^(\w+): *(.*)$", front_matter, re.MULTILINE))
    assert settings["sdk"] == "gradio"
    assert (ROOT / settings["app_file"]).is_file()
    assert len(settings["short_description"]) <= 60
    asked = re.search(r"^gradio\[mcp\]>=(\d+)\.(\d+),<(\d+)$", text_of("requirements.txt"), re.MULTILINE)
    assert asked
    major, minor = (int(part) for part in settings["sdk_version"].split(".")[:2])
    assert (int(asked[1]), int(asked[2])) <= (major, minor) < (int(asked[3]), 0)


def test_names_in_the_text_exist() -> None:
    """Files that the documents name in backticks are there."""
    named = {
        word for document in DOCUMENTS[:2] for word in re.findall(r"`((?:attribution|tests|\.ci|weights)/[\w./-]*)`", text_of(document))
    }
    assert named
    assert [name for name in sorted(named) if not (ROOT / name).exists()] == []


def test_the_study_that_is_committed_is_read_whole_by_the_app() -> None:
    study = read_study()
    assert not study.left_out
    assert {"rq1", "rq2", "rq3", "differences", "matrix", "leave_out", "open_set", "tried"} <= set(study.tables)
