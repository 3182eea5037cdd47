"""Read the sources of a program: its imports, handlers, options and guards."""

from __future__ import annotations

import ast
import os
import re
import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from .verifiers import Verifier, find_verifiers

MOST_FILES = 5000
"""So many files are more than one program has; the rest isn't read."""
LARGEST_FILE = 2_000_000

_LEFT_OUT = {"__pycache__", "node_modules", "site-packages", "dist-packages"}
_VIRTUAL_ENVIRONMENTS = ("pyvenv.cfg", "conda-meta")

_ROUTE_METHODS = {"route", "get", "post", "put", "patch", "delete"}
_EXTENSION_CLASSES = {"JWT", "JWTManager"}
_PACKAGES = ("flask_jwt", "flask_jwt_extended")
_OPTION = re.compile(r"JWT_[A-Z][A-Z0-9_]*")
_IMPORT_ERRORS = {"ImportError", "ModuleNotFoundError", "AttributeError", "Exception"}


class Use(NamedTuple):
    """Note a name of a module that the program imports, reads or patches."""

    module: str
    name: str | None
    where: str


class Mention(NamedTuple):
    """Note an option, a handler or another name in the program."""

    name: str
    where: str


class Sources:
    """Hold what was found in the files of a program, in the order of files and lines."""

    def __init__(self) -> None:
        self.files = 0
        self.is_complete = True
        self.uses: list[Use] = []
        self.handlers: list[Mention] = []
        self.options: list[Mention] = []
        self.extensions: list[Mention] = []
        """The extension classes that are instantiated, by the name of the class."""
        self.unreadable: list[Mention] = []
        """Files that can't be parsed, with the reason as the name."""
        self.without_parentheses: list[Mention] = []
        self.above_route: list[Mention] = []
        self.authenticates_true: list[Mention] = []
        self.verifiers: list[Verifier] = []


def read_sources(root: Path) -> Sources:
    """Read the Python files below *root*, without those of virtual environments."""
    sources = Sources()
    readers = []
    for path in find_files(root):
        if sources.files == MOST_FILES:
            sources.is_complete = False
            break
        sources.files += 1
        where = path.relative_to(root).as_posix()
        reader = _Reader(where, sources)
        try:
            tree = _parse(path)
            reader.visit(tree)
            sources.verifiers += find_verifiers(tree, where)
        except (OSError, SyntaxError, ValueError, RecursionError, MemoryError) as error:
            sources.unreadable.append(_describe_unreadable(where, error))
        readers.append(reader)
    _resolve_names(sources, readers)
    return sources


def _resolve_names(sources: Sources, readers: list[_Reader]) -> None:
    """Find the handlers among the decorators and functions of all files."""
    # Variables and functions may be defined in other files than the ones that use them.
    extensions = {name for reader in readers for name in reader.extension_variables}
    handlers = {name for reader in readers for name in reader.authentication_handlers}
    for reader in readers:
        sources.handlers += [
            Mention(name, where)
            for variable, name, where in reader.decorators
            if variable in extensions
        ]
        sources.authenticates_true += [
            mention for mention in reader.returns_true if mention.name in handlers
        ]


def find_files(root: Path) -> Iterator[Path]:
    """Yield the program's Python files below *root*, sorted; installed packages are left out."""
    for folder, folders, files in os.walk(root):
        here = Path(folder)
        folders[:] = sorted(name for name in folders if _is_own(here / name))
        yield from (here / name for name in sorted(files) if name.endswith(".py"))


def is_of_program(file: Path, root: Path) -> bool:
    """Return whether *file* is below *root*, and in no folder of installed packages."""
    folders = list(file.parents)
    return root in folders and all(map(_is_own, folders[: folders.index(root)]))


def _is_own(folder: Path) -> bool:
    if folder.name.startswith(".") or folder.name in _LEFT_OUT:
        return False
    return not any((folder / name).exists() for name in _VIRTUAL_ENVIRONMENTS)


def _parse(path: Path) -> ast.Module:
    if path.stat().st_size > LARGEST_FILE:
        raise ValueError(f"larger than {LARGEST_FILE} bytes")
    content = path.read_bytes()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # such as of invalid escape sequences
        return ast.parse(content)


def _describe_unreadable(where: str, error: BaseException) -> Mention:
    if isinstance(error, SyntaxError):
        line = f":{error.lineno}" if error.lineno else ""
        return Mention(f"not valid Python 3 ({error.msg})", where + line)
    return Mention(f"could not be read ({error or type(error).__name__})", where)


class _Reader(ast.NodeVisitor):
    """Collect the uses and mentions in one file."""

    def __init__(self, file: str, sources: Sources) -> None:
        self._file = file
        self._sources = sources
        self._modules: dict[str, str] = {}
        """Names that stand for modules."""
        self._names: dict[str, tuple[str, str]] = {}
        """Names that stand for names of modules."""
        self._fallbacks = 0
        """The number of enclosing ``try`` statements that handle a failed import."""
        self.extension_variables: set[str] = set()
        self.authentication_handlers: set[str] = set()
        self.decorators: list[tuple[str, str, str]] = []
        self.returns_true: list[Mention] = []

    def _at(self, node: ast.AST) -> str:
        return f"{self._file}:{getattr(node, 'lineno', 0)}"

    def _use(self, module: str, name: str | None, node: ast.AST) -> None:
        if not self._fallbacks:
            self._sources.uses.append(Use(module, name, self._at(node)))

    # Imports

    def visit_Import(self, node: ast.Import) -> None:
        for alias in node.names:
            self._use(alias.name, None, node)
            bound = alias.asname or alias.name.partition(".")[0]
            self._forget(bound)
            self._modules[bound] = alias.name if alias.asname else bound

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        for alias in node.names:
            self._forget(alias.asname or alias.name)
            if node.module is not None and not node.level:
                self._use(node.module, None if alias.name == "*" else alias.name, node)
                self._names[alias.asname or alias.name] = (node.module, alias.name)

    def _forget(self, name: str) -> None:
        """Note that *name* stands for something else from here on."""
        self._modules.pop(name, None)
        self._names.pop(name, None)

    def visit_Try(self, node: ast.Try) -> None:
        has_fallback = any(_catches_import_error(handler) for handler in node.handlers)
        self._fallbacks += has_fallback
        for statement in node.body:
            self.visit(statement)
        self._fallbacks -= has_fallback
        for other in (*node.handlers, *node.orelse, *node.finalbody):
            self.visit(other)

    def visit_If(self, node: ast.If) -> None:
        # Whether one branch runs may depend on a version, so neither says what the program needs.
        depends = "version" in ast.unparse(node.test).lower() or "PY2" in ast.unparse(node.test)
        self._fallbacks += depends
        self.generic_visit(node)
        self._fallbacks -= depends

    def visit_Attribute(self, node: ast.Attribute) -> None:
        dotted = _dotted_name(node)
        root, _, rest = dotted.partition(".") if dotted else ("", "", "")
        if root in self._modules:
            module, _, name = f"{self._modules[root]}.{rest}".rpartition(".")
            self._use(module, name, node)
        elif root in self._names:
            module, name = self._names[root]
            package, _, attribute = rest.rpartition(".")
            self._use(".".join(filter(None, (module, name, package))), attribute, node)
        else:
            self.generic_visit(node)

    # Calls and assignments

    def visit_Assign(self, node: ast.Assign) -> None:
        for target in node.targets:
            self._note_variable(target, node.value)
        self.generic_visit(node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        self._note_variable(node.target, node.value)
        self.generic_visit(node)

    def _note_variable(self, target: ast.expr, value: ast.expr | None) -> None:
        name = getattr(target, "id", getattr(target, "attr", None))
        if isinstance(target, ast.Name) and _OPTION.fullmatch(target.id):
            self._sources.options.append(Mention(target.id, self._at(target)))
        if isinstance(target, ast.Subscript):
            self._note_option(target.slice)
        if name and isinstance(value, ast.Call) and self._extension_class(value.func):
            self.extension_variables.add(name)
        if isinstance(target, ast.Name) and target.id not in _EXTENSION_CLASSES:
            self._forget(target.id)

    def _note_option(self, key: ast.AST) -> None:
        name = key.value if isinstance(key, ast.Constant) else None
        if isinstance(name, str) and _OPTION.fullmatch(name):
            self._sources.options.append(Mention(name, self._at(key)))

    def visit_Call(self, node: ast.Call) -> None:
        method = node.func.attr if isinstance(node.func, ast.Attribute) else None
        if name := self._extension_class(node.func):
            self._sources.extensions.append(Mention(name, self._at(node)))
            self._note_authentication(node.args[1:2], node.keywords)
        elif method in ("update", "from_mapping", "setdefault"):
            for keyword in node.keywords:
                self._note_option(ast.copy_location(ast.Constant(keyword.arg), node))
            for argument in node.args:
                keys = argument.keys if isinstance(argument, ast.Dict) else [argument]
                for key in filter(None, keys):
                    self._note_option(key)
        self._note_patch(node)
        self.generic_visit(node)

    def _extension_class(self, function: ast.expr) -> str | None:
        """Return the name of the extension class that *function* is, if it is one."""
        dotted = _dotted_name(function) or ""
        root, _, rest = dotted.partition(".")
        if root in self._names:
            module, name = self._names[root]
            dotted = f"{module}.{name}.{rest}".rstrip(".")
        elif root in self._modules:
            dotted = f"{self._modules[root]}.{rest}"
        module, _, name = dotted.rpartition(".")
        is_ours = module.partition(".")[0] in _PACKAGES and name in _EXTENSION_CLASSES
        return name if is_ours else None

    def _note_authentication(
        self, positional: list[ast.expr], keywords: Iterable[ast.keyword]
    ) -> None:
        named = [word.value for word in keywords if word.arg == "authentication_handler"]
        for handler in (*positional, *named):
            if name := _dotted_name(handler):
                self.authentication_handlers.add(name.rpartition(".")[2])

    def _note_patch(self, node: ast.Call) -> None:
        function = (_dotted_name(node.func) or "").rpartition(".")[2]
        if function not in ("patch", "setattr", "delattr") or not node.args:
            return
        target = node.args[0]
        if isinstance(target, ast.Constant) and isinstance(target.value, str):
            module, _, name = target.value.rpartition(".")
            if module.partition(".")[0] in _PACKAGES:
                self._use(module, name, target)

    # Decorators

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        self._visit_function(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> None:
        self._visit_function(node)

    def _visit_function(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        guarded_at = None
        for decorator in node.decorator_list:
            if self._is_guard(decorator):
                self._sources.without_parentheses.append(Mention(node.name, self._at(decorator)))
            elif isinstance(decorator, ast.Call) and self._is_guard(decorator.func):
                guarded_at = decorator
            elif guarded_at is not None and _is_route(decorator):
                self._sources.above_route.append(Mention(node.name, self._at(guarded_at)))
                guarded_at = None
            self._note_handler(decorator, node)
        if any(_returns_true(child) for child in ast.walk(node)):
            self.returns_true.append(Mention(node.name, self._at(node)))
        self.generic_visit(node)

    def _is_guard(self, decorator: ast.expr) -> bool:
        module, name = self._names.get(getattr(decorator, "id", ""), ("", ""))
        return name == "jwt_required" and module.partition(".")[0] in _PACKAGES

    def _note_handler(
        self, decorator: ast.expr, function: ast.FunctionDef | ast.AsyncFunctionDef
    ) -> None:
        if not isinstance(decorator, ast.Attribute):
            return
        variable = (_dotted_name(decorator.value) or "").rpartition(".")[2]
        if decorator.attr.endswith(("_handler", "_loader")):
            self.decorators.append((variable, decorator.attr, self._at(decorator)))
            if decorator.attr == "authentication_handler":
                self.authentication_handlers.add(function.name)


def _dotted_name(node: ast.AST) -> str | None:
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute) and (base := _dotted_name(node.value)):
        return f"{base}.{node.attr}"
    return None


def _catches_import_error(handler: ast.ExceptHandler) -> bool:
    if handler.type is None:
        return True
    names = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    return any((_dotted_name(name) or "").rpartition(".")[2] in _IMPORT_ERRORS for name in names)


def _is_route(decorator: ast.expr) -> bool:
    is_call = isinstance(decorator, ast.Call) and isinstance(decorator.func, ast.Attribute)
    return is_call and decorator.func.attr in _ROUTE_METHODS  # type: ignore[attr-defined]


_CHECKS_OF_PASSWORDS = {"check_password", "check_password_hash", "compare_digest", "safe_str_cmp"}


def _returns_true(node: ast.AST) -> bool:
    return isinstance(node, ast.Return) and node.value is not None and _may_be_true(node.value)


def _may_be_true(value: ast.expr) -> bool:
    """Return whether *value* is True, or an expression whose result may be True."""
    if isinstance(value, ast.Constant):
        return value.value is True
    if isinstance(value, ast.BoolOp):
        # The result of "user and …" is the last operand, or what is false.
        parts = value.values[-1:] if isinstance(value.op, ast.And) else value.values
        return any(map(_may_be_true, parts))
    if isinstance(value, ast.IfExp):
        return _may_be_true(value.body) or _may_be_true(value.orelse)
    if isinstance(value, ast.Call):
        name = (_dotted_name(value.func) or "").rpartition(".")[2]
        return name in {"bool", *_CHECKS_OF_PASSWORDS}
    return isinstance(value, ast.Compare) or (
        isinstance(value, ast.UnaryOp) and isinstance(value.op, ast.Not)
    )
