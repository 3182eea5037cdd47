"""Write llms.txt (llmstxt.org), and each page as plain Markdown, beside the pages of the site."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from pathlib import Path

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.pycode import ModuleAnalyzer
from sphinx.util import import_object
from sphinx.util.inspect import stringify_signature

from site_links import ASSIGNED

DIRECTIVE = re.compile(r"```\{(toctree|eval-rst|include)\}(.*?)\n```\n", re.DOTALL)
DOCUMENTED = re.compile(r"^\.\. (?:auto|py:)(\w+):: ([\w.]+)(.*?)(?=^\.\. |\Z)", re.DOTALL | re.M)


def write_for_programs(app: Sphinx, error: Exception | None) -> None:
    """Write all of it when the site is built."""
    if error is not None or app.builder.format != "html":
        return
    for page in app.env.found_docs:
        path = Path(app.outdir, f"{page}.md")
        source = Path(app.env.doc2path(page))
        path.write_text(as_plain_markdown(source.read_text("utf-8"), source.parent), "utf-8")
    Path(app.outdir, "llms.txt").write_text(write_index(app.env), "utf-8")


def write_index(env: BuildEnvironment) -> str:
    """Return llms.txt: each page of the site with its first sentence, in the order of the menu."""
    root = env.config.root_doc
    lines = [f"# {env.titles[root].astext()}", "", f"> {_first_paragraph(env, root)}"]
    for caption, pages in _menus(env, root):
        lines += ["", f"## {caption}", ""]
        lines += [_link(env, page) for page in pages]
    return "\n".join(lines) + "\n"


def _menus(env: BuildEnvironment, page: str) -> Iterator[tuple[str, list[str]]]:
    """Yield the caption of each menu of a page that isn't empty, and its pages with theirs."""
    for menu in env.get_doctree(page).findall(addnodes.toctree):
        pages = []
        for _, each in menu["entries"]:
            pages.append(each)
            pages += [below for _, more in _menus(env, each) for below in more]
        if pages:
            yield menu["caption"], pages


def _link(env: BuildEnvironment, page: str) -> str:
    sentence = re.split(r"(?<=\w[.:])\s", _first_paragraph(env, page))[0].rstrip(":")
    return f"- [{env.titles[page].astext()}]({page}.md): {sentence}"


def _first_paragraph(env: BuildEnvironment, page: str) -> str:
    paragraph = next(iter(env.get_doctree(page).findall(nodes.paragraph)), nodes.paragraph())
    return " ".join(paragraph.astext().split())


def as_plain_markdown(source: str, folder: Path) -> str:
    """Return a page without directives: with the docstrings that it shows, and without menus."""

    def expand(match: re.Match[str]) -> str:
        kind, body = match.groups()
        if kind == "include":
            name = body.strip().partition("\n")[0]
            return (folder / name).read_text("utf-8").partition("\n")[2].replace("](docs/", "](")
        return "\n".join(map(_describe, DOCUMENTED.findall(body))) if kind == "eval-rst" else ""

    return DIRECTIVE.sub(expand, source)


def _describe(documented: tuple[str, str, str]) -> str:
    kind, name, options = documented
    if kind == "module":
        return ""
    if kind == "data":
        return f"### {name}\n\n{_docstring_of_data(name, options)}\n"
    value = import_object(name)
    parts = [f"### {name}{_signature(value)}\n\n{inspect.getdoc(value)}\n"]
    members = re.search(r":members:(.*)", options)
    hidden = re.search(r":exclude-members:(.*)", options)
    if members:
        names = re.findall(r"\w+", members[1]) or [
            each for each in dir(value) if not each.startswith("_")
        ]
        for each in names:
            member = inspect.getattr_static(value, each)
            doc = inspect.getdoc(member)
            is_documented = inspect.isroutine(member) or isinstance(
                member, (property, classmethod, staticmethod)
            )
            if doc and is_documented and not (hidden and each in hidden[1]):
                parts.append(f"#### {name}.{each}{_signature(getattr(value, each))}\n\n{doc}\n")
    return "\n".join(parts)


def _signature(value: object) -> str:
    try:
        signature = inspect.signature(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return ""
    return stringify_signature(signature, unqualified_typehints=True).replace("'", "")


def _docstring_of_data(name: str, options: str) -> str:
    module, attribute = ASSIGNED.get(name) or name.rsplit(".", 1)
    documented = ModuleAnalyzer.for_module(module).find_attr_docs()
    lines = documented.get(("", attribute))
    return "\n".join(lines) if lines else inspect.cleandoc(options)


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("build-finished", write_for_programs)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
