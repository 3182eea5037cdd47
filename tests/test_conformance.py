"""scripts/conformance: an old import name reaches this package and never the original."""

import importlib
import json
import json.decoder
import sys
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parent.parent / "scripts"


@pytest.fixture
def alias(monkeypatch, tmp_path):
    """An alias of `json` called `original`, which is also a package with a submodule."""
    package = tmp_path / "original"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "only_there.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.syspath_prepend(SCRIPTS)
    finder = importlib.import_module("conformance_plugin").AliasFinder("original", "json")
    finder.install()
    yield finder
    sys.meta_path.remove(finder)
    for name in [name for name in sys.modules if name.split(".")[0] == "original"]:
        del sys.modules[name]


@pytest.mark.usefixtures("alias")
def test_an_alias_gives_the_target_itself():
    """The alias and the target are one module, submodules included, and keep the target's name."""
    assert importlib.import_module("original") is json
    assert importlib.import_module("original.decoder") is json.decoder
    assert json.decoder.__spec__.name == json.decoder.__name__ == "json.decoder"


@pytest.mark.usefixtures("alias")
def test_an_alias_never_falls_back_to_the_original():
    """A submodule which only the original has is missing."""
    with pytest.raises(ModuleNotFoundError, match=r"json\.only_there"):
        importlib.import_module("original.only_there")


def test_an_alias_that_comes_too_late_is_an_error(alias):
    """Whoever imported the name first may hold the original."""
    importlib.import_module("original")
    with pytest.raises(RuntimeError, match="imported before the alias"):
        alias.install()


def test_allowed_failures_need_a_reason(monkeypatch):
    """A bare test id excuses nothing."""
    monkeypatch.syspath_prepend(SCRIPTS)
    conformance = importlib.import_module("conformance")
    assert conformance.read_allowed("# note\n\na.py::t[x] # why # so\n") == {
        "a.py::t[x]": "why # so"
    }
    with pytest.raises(conformance.CannotRun, match="conformance-allowed.txt:2"):
        conformance.read_allowed("\na.py::t\n")
