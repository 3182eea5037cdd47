"""Links of the site: to options and public names, and to the documentation of other projects.

Nothing here needs a network. Names of other projects link to their documentation by the table
below, in place of inventories that intersphinx would fetch.
"""

from __future__ import annotations

import ast
import re
from importlib import import_module
from pathlib import Path

from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.pycode import ModuleAnalyzer
from sphinx.transforms import SphinxTransform
from sphinx.util.nodes import make_refnode

import flask_jwt
import flask_jwt.extended
from flask_jwt import errors, signals
from flask_jwt._config.settings import OPTIONS

_PYTHON = "https://docs.python.org/3/library/"
_WERKZEUG = "https://werkzeug.palletsprojects.com/en/stable/"
EXTERNAL = {
    "Callable": f"{_PYTHON}collections.abc.html#collections.abc.Callable",
    "Collection": f"{_PYTHON}collections.abc.html#collections.abc.Collection",
    "Exception": f"{_PYTHON}exceptions.html#Exception",
    "Flask": "https://flask.palletsprojects.com/en/stable/api/#flask.Flask",
    "FlaskClient": "https://flask.palletsprojects.com/en/stable/api/#flask.testing.FlaskClient",
    "HTTPException": f"{_WERKZEUG}exceptions/#werkzeug.exceptions.HTTPException",
    "Iterable": f"{_PYTHON}collections.abc.html#collections.abc.Iterable",
    "Iterator": f"{_PYTHON}collections.abc.html#collections.abc.Iterator",
    "Mapping": f"{_PYTHON}collections.abc.html#collections.abc.Mapping",
    "NamedTuple": f"{_PYTHON}typing.html#typing.NamedTuple",
    "PathLike": f"{_PYTHON}os.html#os.PathLike",
    "Protocol": f"{_PYTHON}typing.html#typing.Protocol",
    "Response": "https://flask.palletsprojects.com/en/stable/api/#flask.Response",
    "SSLContext": f"{_PYTHON}ssl.html#ssl.SSLContext",
    "Sequence": f"{_PYTHON}collections.abc.html#collections.abc.Sequence",
    "TestResponse": f"{_WERKZEUG}test/#werkzeug.test.TestResponse",
    "abort": "https://flask.palletsprojects.com/en/stable/api/#flask.abort",
    "datetime": f"{_PYTHON}datetime.html#datetime.datetime",
    "timedelta": f"{_PYTHON}datetime.html#datetime.timedelta",
    **{
        name: "https://pyjwt.readthedocs.io/en/stable/api.html#jwt.exceptions." + name
        for name in (
            "DecodeError", "ExpiredSignatureError", "ImmatureSignatureError",
            "InvalidAlgorithmError", "InvalidAudienceError", "InvalidIssuerError",
            "InvalidSignatureError", "InvalidSubjectError", "InvalidTokenError",
            "MissingRequiredClaimError", "PyJWTError",
        )
    },
    **{
        name: f"{_PYTHON}exceptions.html#{name}"
        for name in ("RuntimeError", "TypeError", "ValueError")
    },
    **{
        name: f"{_PYTHON}{page}.html#{name}"
        for name, page in {
            "bool": "functions", "bytes": "stdtypes", "dict": "stdtypes", "float": "functions",
            "frozenset": "stdtypes", "int": "functions", "list": "stdtypes", "object": "functions",
            "str": "stdtypes", "tuple": "stdtypes",
        }.items()
    },
}  # fmt: skip
"""The last part of a name, and its documentation."""

WITHOUT_PAGE = frozenset(
    {"Exempt", "Handler", "MessageLoader", "TokenLoader", "View"}
    | {"AnyAudience", "AnyOf", "Fetched"}
)
"""Type variables, because a decorator returns what it is given; and types of arguments that have a
name for their only value, such as ``any_of``."""

ALIASES = {"flask_jwt.stores.Session": "flask_jwt.Session"}
"""Names by which docstrings refer to an object that is documented under another one."""


def resolve(
    app: Sphinx, env: BuildEnvironment, node: pending_xref, content: nodes.Element
) -> nodes.Node | None:
    """Link a name of Python to another project, or to the module that documents it."""
    if node["reftype"] == "jwt-option":
        page, anchor = "reference/options", nodes.make_id(node["reftarget"])
        return make_refnode(app.builder, node["refdoc"], page, anchor, content)
    if node.get("refdomain") != "py":
        return None
    target = ALIASES.get(node["reftarget"], node["reftarget"])
    name = target.rpartition(".")[2]
    # Annotations have the private module that defines a class, and docstrings only its name.
    found = [
        each
        for each in env.domains.python_domain.objects
        if each == target
        or (each.endswith(f".{name}") and (each.endswith(f".{target}") or "._" in target))
    ]
    nearest = [each for each in found if each.startswith(f"{node.get('py:module')}.")]
    public = [each for each in found if not each.startswith("flask_jwt.extended")]
    for candidates in (nearest, public, found):
        if len(candidates) == 1:
            return env.domains.python_domain.resolve_xref(
                env, node["refdoc"], app.builder, "obj", candidates[0], node, content
            )
    if name in EXTERNAL:
        return nodes.reference("", "", content, internal=False, refuri=EXTERNAL[name])
    return content if name in WITHOUT_PAGE else None


def add_docstring_of_assignment(
    app: Sphinx, what: str, name: str, value: object, options: object, lines: list[str]
) -> None:
    """Give a public object the docstring below its assignment in the module that defines it."""
    module, attribute = ASSIGNED.get(name, ("", ""))
    if module:
        documented = ModuleAnalyzer.for_module(module).find_attr_docs()
        lines[:] = documented["", attribute]


def simplify_signature(
    app: Sphinx, what: str, name: str, value: object, options: object, arguments: str, result: str
) -> tuple[str, str] | None:
    """Leave out arguments that only this package passes, and defaults that are no Python."""
    if not arguments:
        return None
    if what == "exception" and "__init__" not in vars(value):
        return "", ""  # as its base class
    if "<" in arguments:
        return re.sub(r"<(?:function )?\w+>", "...", arguments), result
    return None


ASSIGNED = {
    "flask_jwt.ANY_AUDIENCE": ("flask_jwt._issuers.issuer", "ANY_AUDIENCE"),
    "flask_jwt.current_identity": ("flask_jwt._web.current_user", "current_identity"),
}


def import_for_annotations() -> None:
    """Import what modules import only for type checkers, so that autodoc can read annotations."""
    for path in Path(flask_jwt.__file__).parent.rglob("*.py"):
        for statement in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(statement, ast.If) and ast.unparse(statement.test) == "TYPE_CHECKING":
                parts = (
                    path.relative_to(Path(flask_jwt.__file__).parent.parent).with_suffix("").parts
                )
                module = import_module(".".join(parts).removesuffix(".__init__"))
                exec(ast.unparse(statement.body), vars(module))


class LinkNames(SphinxTransform):
    """Link the options and public names that a page writes as code, once in each section."""

    default_priority = 300

    def apply(self, **options: object) -> None:
        if self.env.docname == "reference/options":
            self._mark_options()
        seen: set[tuple[int, str]] = set()
        for literal in list(self.document.findall(nodes.literal)):
            if _is_within(literal, (nodes.reference, nodes.title, pending_xref)):
                continue
            target = _find_target(literal.astext(), self.env.docname)
            section = next(each for each in _ancestors(literal) if isinstance(each, nodes.section))
            if target is None or (id(section), target) in seen or target in section["names"]:
                continue
            seen.add((id(section), target))
            if target in OPTIONS and self.env.docname == "reference/options":
                continue
            self._link(literal, target)

    def _mark_options(self) -> None:
        """Make each option in the first column of a table a target of links."""
        for row in self.document.findall(nodes.row):
            for literal in row.children[0].findall(nodes.literal):
                name = literal.astext()
                if name in OPTIONS:
                    literal["ids"].append(nodes.make_id(name))

    def _link(self, literal: nodes.literal, target: str) -> None:
        is_option = target in OPTIONS
        reference = pending_xref(
            "",
            refdoc=self.env.docname,
            refdomain="" if is_option else "py",
            reftype="jwt-option" if is_option else "obj",
            reftarget=target,
            refexplicit=True,
            refwarn=True,
        )
        literal.replace_self(reference)
        reference += literal


_CALL = re.compile(r"@?((?:jwt\.)?(?:sessions\.)?\w+)(?:\([^()]*\))?")


def _find_target(text: str, page: str) -> str | None:
    """Return the option or the public name that *text* is."""
    if text in OPTIONS:
        return text
    match = _CALL.fullmatch(text)
    # "JWT" is also the scheme of the header, and what a token is.
    name = match[1] if match and text != "JWT" else ""
    owner, _, method = name.rpartition(".")
    if owner == "jwt" and hasattr(flask_jwt.JWT, method):
        return f"flask_jwt.JWT.{method}"
    if owner == "jwt.sessions" and hasattr(flask_jwt.SessionManager, method):
        return f"flask_jwt.SessionManager.{method}"
    if name == "JWTManager" or (page.endswith("extended") and name in flask_jwt.extended.__all__):
        return f"flask_jwt.extended.{name}"
    error = getattr(errors, name, None)
    if isinstance(error, type) and issubclass(error, (errors.JWTError, errors.ConfigError)):
        return f"flask_jwt.errors.{name}"
    if name in flask_jwt.__all__:
        return f"flask_jwt.{name}"
    return f"flask_jwt.signals.{name}" if name in signals.__all__ else None


def _ancestors(node: nodes.Node) -> list[nodes.Node]:
    found = []
    while (node := node.parent) is not None:
        found.append(node)
    return found


def _is_within(node: nodes.Node, types: tuple[type[nodes.Node], ...]) -> bool:
    return any(isinstance(each, types) for each in _ancestors(node))


def setup(app: Sphinx) -> dict[str, bool]:
    import_for_annotations()
    app.connect("missing-reference", resolve)
    app.connect("autodoc-process-docstring", add_docstring_of_assignment)
    app.connect("autodoc-process-signature", simplify_signature)
    app.add_transform(LinkNames)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
