"""Dependencies point one way: the command line uses the codec, the codec uses the formats."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = {
    "nvrc_formats": ROOT / "formats" / "nvrc_formats",
    "nvrc_core": ROOT / "nvrc_core",
    "nvrc_cli": ROOT / "nvrc_cli",
}
FORBIDDEN = {
    "nvrc_formats": {"torch", "av", "rich", "typer", "scipy", "nvrc_core", "nvrc_cli"},
    "nvrc_core": {"nvrc_cli", "typer", "rich", "scipy", "constriction"},
    "nvrc_cli": {"constriction", "scipy"},
}
# What runs before anything is decoded or fitted: help, info, presets.
LIGHT = (
    *PACKAGES["nvrc_formats"].rglob("*.py"),
    *(ROOT / "nvrc_core" / f"{name}.py" for name in ("errors", "events", "presets", "stream", "inspection")),
)


def imported(path: Path, *, at_import: bool = False) -> set[str]:
    """Top-level names of the packages that a file imports, anywhere or only while it is imported itself."""
    tree = ast.parse(path.read_text())
    found: set[str] = set()
    nodes = list(ast.iter_child_nodes(tree)) if at_import else list(ast.walk(tree))
    for node in nodes:
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import"
            found.add(str(node.module).split(".")[0])
    return found


@pytest.mark.parametrize("package", PACKAGES)
def test_packages_do_not_look_up(package: str):
    files = list(PACKAGES[package].rglob("*.py"))
    assert files
    wrong = {str(path.relative_to(ROOT)): imported(path) & FORBIDDEN[package] for path in files}
    assert not {name: names for name, names in wrong.items() if names}


def test_only_the_range_coder_knows_constriction():
    users = [
        path.name for folder in PACKAGES.values() for path in folder.rglob("*.py") if "constriction" in imported(path)
    ]
    assert users == ["range_coder.py"]


@pytest.mark.parametrize("path", LIGHT, ids=lambda path: path.stem)
def test_what_has_to_start_fast_imports_no_torch(path: Path):
    assert not imported(path, at_import=True) & {"torch", "av"}


def test_nothing_is_unpickled():
    for folder in PACKAGES.values():
        for path in folder.rglob("*.py"):
            assert not imported(path) & {"pickle", "marshal", "shelve"}
            assert "torch.load" not in path.read_text()
