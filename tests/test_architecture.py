"""The house stands as drawn: levels, arrows, doors, sizes, and imports that cost nothing. Each rule is shown to catch its own breach."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import architecture as rules

ROOT = Path(__file__).resolve().parent.parent

RULES: list[Callable[[Path], list[str]]] = [
    rules.rooms_without_a_level,
    rules.wrong_arrows,
    rules.wrong_doors,
    rules.wrong_decoders,
    rules.cycles,
    rules.long_files,
    rules.work_at_import,
]

MOST_BYTES_OF_A_FILE = 10_000_000
MOST_BYTES_OF_ALL = 60_000_000


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_house_keeps_the_rule(rule: Callable[[Path], list[str]]) -> None:
    assert rule(ROOT) == []


def test_there_is_a_house() -> None:
    rooms = {rules.room(rules.module_name(ROOT, path)) for path in rules.source_files(ROOT)}
    assert {"app", "errors", "evidence", "media", "faces", "detector", "verdict", "pipeline", "cli", "ui.layout"} <= rooms
    assert len(rules.house_imports(ROOT)) > 50


GOOD_HOUSE = {
    "app.py": "import gradio\nfrom attribution.ui.layout import build\n",
    "attribution/__init__.py": "",
    "attribution/errors.py": "class E(Exception): ...\n",
    "attribution/evidence/__init__.py": "from attribution.evidence.parts import Part\n",
    "attribution/evidence/parts.py": "from attribution.errors import E\n",
    "attribution/media/__init__.py": "import av\nfrom ..evidence import Part\nfrom . import worker\n",
    "attribution/media/worker.py": "from PIL import Image\ndef read(p): return Image.open(p)\n",
    "attribution/faces.py": "import facenet_pytorch\nfrom attribution.media import worker\n",
    "attribution/pipeline.py": "from attribution import faces\n",
    "attribution/views/__init__.py": "",
    "attribution/views/charts.py": "import plotly\nfrom attribution.evidence import Part\n",
    "attribution/ui/__init__.py": "",
    "attribution/ui/layout.py": "import gradio\nfrom attribution.views import charts\nfrom attribution.pipeline import faces\n",
    "attribution/lab/__init__.py": "",
    "attribution/lab/command.py": "import umap\nfrom attribution import pipeline\n",
    "attribution/cli.py": "def lab():\n    from attribution.lab.command import main\n",
}


def build(root: Path, changes: dict[str, str]) -> Path:
    for name, source in {**GOOD_HOUSE, **changes}.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(source, encoding="utf-8")
    return root


def test_a_good_house_has_no_findings(tmp_path: Path) -> None:
    house = build(tmp_path, {})
    assert [finding for rule in RULES for finding in rule(house)] == []


@pytest.mark.parametrize(
    ("rule", "file", "source", "finding"),
    [
        (rules.rooms_without_a_level, "attribution/utils.py", "", "utils has no level"),
        (rules.rooms_without_a_level, "attribution/ui/extra.py", "", "ui.extra has no level"),
        (rules.wrong_arrows, "attribution/errors.py", "from attribution import evidence\n", "errors imports evidence: upwards"),
        (
            rules.wrong_arrows,
            "attribution/faces.py",
            "def f():\n    import attribution.pipeline\n",
            ":2: faces imports pipeline: upwards",
        ),
        (rules.wrong_arrows, "attribution/evidence/parts.py", "from ..media import worker\n", "evidence imports media: upwards"),
        (rules.wrong_arrows, "attribution/media/worker.py", "from attribution.faces import x\n", "media imports faces: sideways"),
        (rules.wrong_arrows, "attribution/views/charts.py", "from attribution.pipeline import x\n", "forbidden"),
        (rules.wrong_arrows, "attribution/views/report.py", "from attribution.faces import x\n", "forbidden"),
        (rules.wrong_arrows, "attribution/pipeline.py", "from .views import charts\n", "forbidden"),
        (rules.wrong_arrows, "attribution/cli.py", "from attribution.ui.layout import build\n", "forbidden"),
        (rules.wrong_arrows, "attribution/pipeline.py", "from attribution.lab import command\n", "the product never imports the lab"),
        (rules.wrong_arrows, "attribution/cli.py", "import attribution.lab.training\n", "the product never imports the lab"),
        (
            rules.wrong_arrows,
            "attribution/cli.py",
            "f = import_module('attribution.lab')\n",
            "never imports the lab",
        ),
        (rules.wrong_arrows, "app.py", "from attribution.lab import command\n", "the product never imports the lab"),
        (rules.wrong_arrows, "attribution/ui/__init__.py", "from attribution.ui.layout import build\n", "a floor of rooms"),
        (rules.wrong_arrows, "attribution/faces.py", "import attribution\n", "forbidden"),
        (rules.wrong_doors, "attribution/pipeline.py", "import gradio as gr\n", "gradio is imported outside"),
        (rules.wrong_doors, "attribution/pipeline.py", "def f():\n    from timm.models import x\n", "timm is imported outside"),
        (rules.wrong_doors, "attribution/views/report.py", "import plotly.graph_objects\n", "plotly is imported outside"),
        (rules.wrong_doors, "attribution/views/overlay.py", "import torch\n", "torch is imported outside"),
        (rules.wrong_doors, "attribution/verdict.py", "import torch\n", "torch is imported outside"),
        (rules.wrong_doors, "attribution/media/worker.py", "import facenet_pytorch\n", "facenet_pytorch is imported outside"),
        (rules.wrong_doors, "attribution/reference.py", "import umap\n", "umap is imported outside"),
        (rules.wrong_doors, "attribution/weights.py", "import pickle\n", "pickle is imported outside"),
        (rules.wrong_doors, "attribution/lab/training.py", "import facenet_pytorch\n", "facenet_pytorch is imported outside"),
        (rules.wrong_decoders, "attribution/faces.py", "def f(p):\n    return cv2.imread(p)\n", "cv2.imread decodes"),
        (rules.wrong_decoders, "attribution/ui/layout.py", "def f(p):\n    return Image.open(p)\n", "Image.open decodes"),
        (rules.wrong_decoders, "attribution/weights.py", "def f(p):\n    return torch.load(p)\n", "torch.load decodes"),
        (
            rules.cycles,
            "attribution/media/worker.py",
            "def f():\n    from attribution.media import open_media\n",
            "attribution.media.worker",
        ),
        (rules.long_files, "attribution/verdict.py", "x = 1\n" * 281, "281 lines"),
        (rules.work_at_import, "attribution/weights.py", "TEXT = open('x').read()\n", "weights.py:1: open()"),
        (rules.work_at_import, "attribution/weights.py", "class A:\n    x: str = P.read_text()\n", "read_text()"),
        (rules.work_at_import, "attribution/weights.py", "def f(x=P.read_bytes()):\n    return x\n", "read_bytes()"),
        (rules.work_at_import, "attribution/weights.py", "import logging\nlogging.basicConfig()\n", "basicConfig()"),
    ],
)
def test_a_breach_is_found(tmp_path: Path, rule: Callable[[Path], list[str]], file: str, source: str, finding: str) -> None:
    findings = rule(build(tmp_path, {file: source}))
    assert len(findings) == 1
    assert finding in findings[0]


def test_what_runs_later_is_no_work_at_import(tmp_path: Path) -> None:
    source = "def f():\n    return open('x')\ng = lambda: open('x')\nif __name__ == '__main__':\n    open('x')\n"
    assert rules.work_at_import(build(tmp_path, {"attribution/weights.py": source})) == []


LIGHT_MODULES = [
    "attribution",
    "attribution.errors",
    "attribution.evidence",
    "attribution.verdict",
    "attribution.cli",
    *(f"attribution.views.{path.stem}" for path in sorted((ROOT / "attribution/views").glob("[a-z]*.py"))),
]
HEAVY_LIBRARIES = ("torch", "torchvision", "gradio", "timm", "facenet_pytorch", "pytorch_grad_cam", "umap", "sklearn", "matplotlib")


def heavy_imports(modules: list[str], root: Path = ROOT) -> str:
    """Import the modules one after the other in a fresh Python; the heavy libraries that each brought in, as text."""
    script = (
        "import importlib, sys\n"
        f"for module in {modules!r}:\n"
        "    importlib.import_module(module)\n"
        f"    brought = [name for name in {HEAVY_LIBRARIES!r} if name in sys.modules]\n"
        "    if brought:\n"
        "        sys.exit(f'{module} brings in {brought}')\n"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=root, capture_output=True, text=True, timeout=120, check=False)
    return done.stderr.strip()


def test_looking_at_evidence_costs_no_network_library() -> None:
    assert heavy_imports(LIGHT_MODULES) == ""


def test_a_heavy_import_is_found(tmp_path: Path) -> None:
    house = build(tmp_path, {"torch.py": "", "attribution/evidence/parts.py": "import torch\nPart = None\n"})
    assert "brings in ['torch']" in heavy_imports(["attribution.evidence"], house)


def repository_files() -> list[Path]:
    """The files of the repository: what git tracks or would track."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT, capture_output=True, check=False
    )
    if listed.returncode != 0:
        pytest.skip("this copy is not a git checkout")
    files = [ROOT / name for name in listed.stdout.decode().split("\0") if name]
    return [path for path in files if path.is_file()]


def test_no_file_is_too_large_for_a_space() -> None:
    sizes = {path: path.stat().st_size for path in repository_files()}
    assert [str(path) for path, size in sizes.items() if size > MOST_BYTES_OF_A_FILE] == []
    assert sum(sizes.values()) < MOST_BYTES_OF_ALL


# Home and work folders of one machine, and package indexes by address: a newcomer has neither.
MACHINE = re.compile(
    r"(?<![\w.~:/-])/(?:home|root|Users|work|mnt|srv|opt)/[\w.-]+"
    r"|--(?:extra-)?index-url"
    r"|https?://[\w.-]*(?:pypi|npmjs|pythonhosted)[\w.-]*"
)


def test_no_file_speaks_of_one_machine() -> None:
    findings = []
    for path in repository_files():
        if path == Path(__file__).resolve() or b"\0" in path.read_bytes()[:8000]:
            continue
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            if found := MACHINE.search(line):
                findings.append(f"{path.relative_to(ROOT)}:{number}: {found.group()}")
    assert findings == []


@pytest.mark.parametrize(
    "line", ["cd /home/me/x", "DATA = '/mnt/faces'", "pip install --index-url x", "see https://pypi.example.org/simple"]
)
def test_a_machine_is_recognised(line: str) -> None:
    assert MACHINE.search(line)


@pytest.mark.parametrize("line", ["/tmp/x.png", "a/home/b", "https://example.org/work/x", "path/to/opt/x", "~/work/faces"])
def test_what_is_no_machine_is_left_alone(line: str) -> None:
    assert not MACHINE.search(line)
