"""The rules of the house, as functions from a source tree to a list of findings; `test_architecture.py` holds the real tree to them."""

from __future__ import annotations

import ast
import fnmatch
from collections.abc import Iterator
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

# The drawing: a room stands on its level and may import from lower ones.
LEVELS = {
    "errors": 0,
    "version": 0,
    "known": 0,
    "views.palette": 0,
    "ui.text": 0,
    "ui.limits_text": 0,
    "ui.failures_text": 0,
    "ui.swap_limits_text": 0,
    "ui.opinion_text": 0,
    "ui.area_text": 0,
    "ui.choosing_text": 0,
    "evidence": 1,
    "card": 1,
    "anchors": 1,
    "caddm": 1,
    "shallow": 1,
    "eight_bit": 1,
    "choice": 1,
    "hub": 1,
    "gpu": 1,
    "labels": 1,
    "architectures": 1,
    "adapters": 1,
    "loaded": 1,
    "foreign": 1,
    "weights": 1,
    "network": 1,
    "study": 1,
    "ui.theme": 1,
    "catalogue": 2,
    "media": 2,
    "inputs": 2,
    "tracking": 2,
    "faces": 2,
    "detector": 2,
    "saliency": 2,
    "patches": 2,
    "artifacts": 2,
    "reference": 2,
    "verdict": 2,
    "stress": 2,
    "ui.shelf": 2,
    "ui.notices": 3,
    "ui.portraits": 3,
    "views.overlay": 2,
    "views.charts": 2,
    "views.panels": 2,
    "views.measures": 2,
    "views.figures": 2,
    "views.plots": 2,
    "views.sections": 2,
    "views.choosers": 2,
    "views.zeroshot": 2,
    "views.catalogue": 2,
    "views.answers": 3,
    "views.trust": 3,
    "views.fairness": 3,
    "views.research": 3,
    "views.claim": 3,
    "views.identity": 3,
    "views.pointing": 3,
    "views.transfer": 3,
    "views.glance": 3,
    "views.attention": 3,
    "views.neurons": 3,
    "views.ablation": 3,
    "views.readout": 3,
    "views.islands": 2,
    "views.localisation": 2,
    "views.places": 2,
    "views.artifacts": 3,
    "views.agreement": 3,
    "views.mosaic": 3,
    "views.opinion": 3,
    "views.generators": 4,
    "views.swaps": 4,
    "views.limits": 4,
    "views.failures": 4,
    "scopes": 3,
    "opinions": 3,
    "locate": 3,
    "pipeline": 3,
    "views.stage": 3,
    "views.custody": 3,
    "views.report": 3,
    "lab": 3,
    "ui.engine": 4,
    "ui.jobs": 4,
    "ui.draft": 4,
    "ui.choosing": 4,
    "ui.opinion": 4,
    "ui.results": 4,
    "ui.handlers": 4,
    "ui.opinion_layout": 5,
    "ui.choosing_layout": 5,
    "ui.api": 5,
    "ui.layout": 5,
    "cli": 5,
    "__init__": 6,
    "__main__": 6,
    "app": 6,
}

# Packages whose files are rooms of their own, with an empty `__init__.py`.
FLOORS = ("views", "ui")

# Arrows between rooms of one level, in the order in which the data flows.
SAME_LEVEL = {
    ("card", "evidence"),
    ("choice", "evidence"),
    ("hub", "card"),
    ("loaded", "hub"),
    ("labels", "evidence"),
    ("adapters", "card"),
    ("adapters", "architectures"),
    ("adapters", "network"),
    ("network", "architectures"),
    ("loaded", "card"),
    ("loaded", "evidence"),
    ("loaded", "network"),
    ("foreign", "adapters"),
    ("foreign", "card"),
    ("foreign", "choice"),
    ("foreign", "evidence"),
    ("foreign", "hub"),
    ("foreign", "labels"),
    ("foreign", "loaded"),
    ("foreign", "network"),
    ("weights", "choice"),
    ("weights", "foreign"),
    ("weights", "hub"),
    ("weights", "loaded"),
    ("weights", "card"),
    ("weights", "eight_bit"),
    ("study", "card"),
    ("caddm", "anchors"),
    ("network", "caddm"),
    ("network", "shallow"),
    ("weights", "caddm"),
    ("weights", "shallow"),
    ("weights", "network"),
    ("weights", "evidence"),
    ("inputs", "faces"),
    ("inputs", "media"),
    ("faces", "media"),
    ("faces", "tracking"),
    ("saliency", "detector"),
    ("artifacts", "detector"),
    ("patches", "detector"),
    ("patches", "media"),
    ("stress", "detector"),
    ("views.panels", "views.charts"),
    ("views.figures", "views.measures"),
    ("views.plots", "views.figures"),
    ("views.plots", "views.measures"),
    ("views.sections", "views.measures"),
    ("views.choosers", "views.figures"),
    ("views.zeroshot", "views.measures"),
    ("views.zeroshot", "views.sections"),
    ("ui.shelf", "patches"),
    ("views.localisation", "views.measures"),
    ("views.places", "views.sections"),
    ("views.stage", "views.artifacts"),
    ("views.opinion", "views.artifacts"),
    ("views.opinion", "views.agreement"),
    ("views.report", "views.artifacts"),
    ("views.report", "views.agreement"),
    ("views.opinion", "views.mosaic"),
    ("views.report", "views.opinion"),
    ("views.report", "views.custody"),
    ("views.report", "views.stage"),
    ("views.limits", "views.generators"),
    ("views.limits", "views.swaps"),
    ("views.identity", "views.claim"),
    ("views.glance", "views.transfer"),
    ("views.attention", "views.transfer"),
    ("views.failures", "views.limits"),
    ("ui.handlers", "views.limits"),
    ("ui.handlers", "views.failures"),
    ("ui.jobs", "ui.engine"),
    ("ui.opinion", "ui.jobs"),
    ("ui.results", "ui.jobs"),
    ("ui.draft", "ui.engine"),
    ("ui.choosing", "ui.draft"),
    ("ui.choosing", "ui.engine"),
    ("ui.results", "ui.engine"),
    ("ui.results", "ui.opinion"),
    ("ui.handlers", "ui.engine"),
    ("ui.handlers", "ui.opinion"),
    ("ui.handlers", "ui.results"),
    ("ui.layout", "ui.opinion_layout"),
    ("ui.layout", "ui.choosing_layout"),
    ("ui.layout", "ui.api"),
    ("opinions", "scopes"),
    ("locate", "opinions"),
    ("pipeline", "opinions"),
    ("pipeline", "locate"),
    ("lab", "scopes"),
    ("lab", "opinions"),
    ("pipeline", "scopes"),
    ("lab", "pipeline"),
    ("lab", "views.report"),
    ("lab", "views.claim"),
}

# Arrows that no level forbids and the principles do: importer, imported.
FORBIDDEN = [
    ("views.*", "weights"),
    ("views.*", "network"),
    ("views.*", "media"),
    ("views.*", "faces"),
    ("views.*", "detector"),
    ("views.*", "saliency"),
    ("views.*", "patches"),
    ("views.*", "reference"),
    ("views.*", "verdict"),
    ("views.*", "stress"),
    ("views.*", "scopes"),
    ("views.*", "opinions"),
    ("views.*", "locate"),
    ("views.*", "pipeline"),
    ("scopes", "views.*"),
    ("opinions", "views.*"),
    ("locate", "views.*"),
    ("pipeline", "views.*"),
    ("*", "__init__"),
    ("cli", "ui.*"),
    ("lab", "ui.*"),
]

# The lab's own door: the one file that starts it, and the one module that it starts.
LAB_DOOR = ("cli", "attribution.lab.command")

# Each library is imported only in these files (paths from the root of the repository). The naive way, which the benchmark compares us
# with, goes past our doors on purpose: it is what others do.
DOORS = {
    "gradio": ["app.py", "attribution/ui/*.py"],
    "facenet_pytorch": ["attribution/faces.py", "attribution/lab/naive.py"],
    "timm": ["attribution/network.py", "attribution/lab/originals.py"],
    "plotly": ["attribution/views/charts.py"],
    "pytorch_grad_cam": ["attribution/saliency.py", "attribution/lab/naive.py", "attribution/lab/adapters.py"],
    "huggingface_hub": ["attribution/hub/*.py", "attribution/lab/*.py"],
    "av": ["attribution/media/*.py", "attribution/lab/*.py"],
    "umap": ["attribution/lab/*.py"],
    "sklearn": ["attribution/lab/*.py"],
    "skimage": ["attribution/lab/*.py"],
    "pytorch_metric_learning": ["attribution/lab/*.py"],
    "gradio_client": ["attribution/lab/benchmark.py"],
    "torch": [
        "attribution/anchors.py",
        "attribution/artifacts.py",
        "attribution/caddm.py",
        "attribution/eight_bit.py",
        "attribution/faces.py",
        "attribution/network.py",
        "attribution/adapters/*.py",
        "attribution/foreign.py",
        "attribution/loaded.py",
        "attribution/weights.py",
        "attribution/detector.py",
        "attribution/saliency.py",
        "attribution/patches.py",
        "attribution/shallow.py",
        "attribution/lab/*.py",
    ],
    "torchvision": ["attribution/artifacts.py", "attribution/lab/*.py"],
    "pickle": [],
    "transformers": ["attribution/lab/*.py"],
}

# Calls that decode bytes: only where a hostile file can do no harm, or where the file is our own.
DECODERS = {
    "Image.open",
    "PIL.Image.open",
    "cv2.imread",
    "cv2.imdecode",
    "cv2.VideoCapture",
    "av.open",
    "imageio.imread",
    "np.load",
    "numpy.load",
    "torch.load",
}
DECODING_FILES = ["attribution/media/*.py", "attribution/lab/*.py"]

# Calls that import what their first argument names.
IMPORTING_CALLS = ("import_module", "__import__", "run_module")

# Calls that read a file or set up the process: never while a module is imported.
IMPORT_TIME_CALLS = {"open", "read_text", "read_bytes", "basicConfig", "load", "load_file", "parse_args", "set_num_threads"}

MOST_LINES = 280


@dataclass(frozen=True)
class Import:
    """`importer` imports `imported` (dotted names; `imported` is a module of the house or the top name of a library)."""

    file: str
    line: int
    importer: str
    imported: str


def source_files(root: Path) -> list[Path]:
    """app.py and every Python file of the package below `root`."""
    return [path for path in [root / "app.py", *sorted((root / "attribution").rglob("*.py"))] if path.is_file()]


def module_name(root: Path, path: Path) -> str:
    parts = path.relative_to(root).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def room(module: str) -> str:
    """The room of a module of the house: views and ui have one per file, other packages one for all of their files."""
    parts = module.split(".")
    if parts[0] != "attribution":
        return parts[0]
    if len(parts) == 1:
        return "__init__"
    if parts[1] in FLOORS:
        return ".".join(parts[1:3])
    return parts[1]


def imports(root: Path) -> list[Import]:
    """Every import statement anywhere in a file (inside functions and for type checkers too), and `import_module("…")`."""
    modules = {module_name(root, path) for path in source_files(root)}
    found: list[Import] = []
    for path in source_files(root):
        importer = module_name(root, path)
        package = importer if path.name == "__init__.py" else importer.rpartition(".")[0]
        for line, name in _imported_names(ast.parse(path.read_text(encoding="utf-8")), package, modules):
            house = name.split(".")[0] in ("attribution", "app")
            found.append(Import(str(path.relative_to(root)), line, importer, name if house else name.split(".")[0]))
    return found


def _imported_names(tree: ast.Module, package: str, modules: set[str]) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = ".".join([*package.split(".")[: len(package.split(".")) - node.level + 1], *filter(None, [node.module])])
            base = base if node.level else node.module or ""
            for alias in node.names:
                yield node.lineno, f"{base}.{alias.name}" if f"{base}.{alias.name}" in modules else base
        elif isinstance(node, ast.Call) and _name(node) in IMPORTING_CALLS and node.args and isinstance(node.args[0], ast.Constant):
            yield node.lineno, str(node.args[0].value)


def _name(call: ast.Call) -> str:
    """The last part of what is called: `open_it` for `a.b.open_it(…)`."""
    return ast.unparse(call.func).rpartition(".")[2]


def house_imports(root: Path) -> list[Import]:
    return [found for found in imports(root) if found.imported.split(".")[0] in ("attribution", "app")]


def rooms_without_a_level(root: Path) -> list[str]:
    rooms = {room(module_name(root, path)) for path in source_files(root)} - set(FLOORS)
    return [f"{name} has no level: give it one in the drawing" for name in sorted(rooms - set(LEVELS))]


def wrong_arrows(root: Path) -> list[str]:
    """Imports that go up, sideways without leave, or where the principles forbid them."""
    findings = []
    for found in house_imports(root):
        here, there = room(found.importer), room(found.imported)
        where = f"{found.file}:{found.line}: {here} imports {there}"
        if here in FLOORS or there in FLOORS:
            findings.append(f"{where}: a floor of rooms imports nothing and is not imported; its rooms are")
        elif here == there:
            continue
        elif there == "lab":
            if (here, found.imported) != LAB_DOOR:
                findings.append(f"{where}: the product never imports the lab")
        elif any(fnmatch.fnmatch(here, a) and fnmatch.fnmatch(there, b) for a, b in FORBIDDEN):
            findings.append(f"{where}: forbidden")
        elif LEVELS.get(there, 99) > LEVELS.get(here, -1):
            findings.append(f"{where}: upwards")
        elif LEVELS.get(there) == LEVELS.get(here) and (here, there) not in SAME_LEVEL:
            findings.append(f"{where}: sideways")
    return findings


def wrong_doors(root: Path) -> list[str]:
    return [
        f"{found.file}:{found.line}: {found.imported} is imported outside its door"
        for found in imports(root)
        if found.imported in DOORS and not any(fnmatch.fnmatch(found.file, pattern) for pattern in DOORS[found.imported])
    ]


def wrong_decoders(root: Path) -> list[str]:
    findings = []
    for path in source_files(root):
        file = str(path.relative_to(root))
        if any(fnmatch.fnmatch(file, pattern) for pattern in DECODING_FILES):
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in DECODERS:
                findings.append(f"{file}:{node.lineno}: {ast.unparse(node.func)} decodes bytes outside the worker")
    return findings


def cycles(root: Path) -> list[str]:
    graph: dict[str, set[str]] = {}
    for found in house_imports(root):
        if found.imported != found.importer:
            graph.setdefault(found.importer, set()).add(found.imported)
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return [" → ".join(error.args[1])]
    return []


def long_files(root: Path) -> list[str]:
    lines = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in source_files(root)}
    return [f"{path.relative_to(root)} has {count} lines (at most {MOST_LINES})" for path, count in lines.items() if count > MOST_LINES]


def work_at_import(root: Path) -> list[str]:
    """Calls at module level that read files or set up the process; those under `if __name__ == "__main__"` do not run at import."""
    findings = []
    for path in source_files(root):
        for statement in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(statement, ast.If) and "__name__" in ast.unparse(statement.test):
                continue
            for node in _run_at_import(statement):
                if _name(node) in IMPORT_TIME_CALLS:
                    findings.append(f"{path.relative_to(root)}:{node.lineno}: {_name(node)}() runs when the module is imported")
    return findings


def _run_at_import(statement: ast.stmt) -> Iterator[ast.Call]:
    """The calls of a statement that run at once: not those inside functions and lambdas, but their defaults and decorators."""
    waiting: list[ast.AST] = [statement]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            waiting += [*node.decorator_list, *node.args.defaults, *filter(None, node.args.kw_defaults)]
        elif isinstance(node, ast.Lambda):
            continue
        else:
            if isinstance(node, ast.Call):
                yield node
            waiting += list(ast.iter_child_nodes(node))
