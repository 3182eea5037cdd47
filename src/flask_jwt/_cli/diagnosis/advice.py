"""Find out from the sources of a program what works and what has to change."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Collection, Iterator
from typing import NamedTuple

from ..._former_names import OF_CONFIG, OF_EXTENDED, OF_EXTENSION, OF_FLASK_JWT
from .findings import Finding, Kind
from .replacements import REPLACEMENTS
from .sources import Sources, Use
from .verifiers import WRITE

EXTENDED = "flask_jwt_extended"

# Packages whose removed names stop a program that was written some years ago.
_CHECKED = {
    "flask", "flask_jwt", EXTENDED, "itsdangerous", "jinja2", "jwt", "markupsafe", "werkzeug",
}  # fmt: skip

MIGRATION = (
    "grep -rl --null flask_jwt_extended --include='*.py' --exclude-dir=site-packages . "
    "| xargs -0 perl -pi -e 's/flask_jwt_extended/flask_jwt.extended/g'"
)


class Installed(NamedTuple):
    """Hold the installed packages, options and handlers to compare the sources with.

    :param has: returns whether a module has a name; with None, whether there is such a module
    :param options: the names of the options
    :param handlers: the names of the decorators that set handlers
    """

    has: Callable[[str, str | None], bool]
    options: Collection[str]
    handlers: Collection[str]


def examine_sources(sources: Sources, installed: Installed) -> list[Finding]:
    """Return the findings of the sources; what works comes first."""
    return [
        *_list_what_works(sources, installed),
        *_examine_options(sources, installed),
        *_examine_files(sources),
        *_examine_uses(sources, installed),
        *_examine_handlers(sources, installed),
        *_examine_guards(sources),
        *_examine_extensions(sources),
        *_examine_verifiers(sources),
    ]


def _list_what_works(sources: Sources, installed: Installed) -> Iterator[Finding]:
    for package in ("flask_jwt", EXTENDED):
        uses = [use for use in sources.uses if use.module.partition(".")[0] == package]
        files = {use.where.rpartition(":")[0] for use in uses}
        names = _list_existing_names(uses, installed)
        if names:
            write = MIGRATION if package == EXTENDED else None
            text = f"{package}: {', '.join(names)}"
            yield Finding(Kind.works, _count(files, "file"), text, write)
    found = [mention.name for mention in sources.handlers if mention.name in installed.handlers]
    if found:
        text = ", ".join(dict.fromkeys(found))
        yield Finding(Kind.works, _count(found, "handler"), text)


def _list_existing_names(uses: list[Use], installed: Installed) -> list[str]:
    names = [
        use.name for use in uses if use.name and installed.has(_translate(use.module), use.name)
    ]
    return list(dict.fromkeys(names))


def _count(things: Collection[object], name: str) -> str:
    return f"{len(things)} {name}{'' if len(things) == 1 else 's'}"


def _examine_files(sources: Sources) -> Iterator[Finding]:
    for reason, where in sources.unreadable:
        write = "python -m lib2to3 (until Python 3.12), or 2to3" if "print" in reason else None
        yield Finding(Kind.rejected, where, reason, write)
    if not sources.is_complete:
        text = f"there are more files; only {sources.files} were read"
        yield Finding(Kind.differs, ".", text)


def _examine_uses(sources: Sources, installed: Installed) -> Iterator[Finding]:
    for use in dict.fromkeys(sources.uses):
        if use.module.partition(".")[0] not in _CHECKED:
            continue
        missing = _find_missing(use, installed)
        if missing is not None:
            module, _, name = missing.rpartition(".")
            text = f"{module} has no {name}" if module else f"{name} is not installed"
            yield Finding(Kind.rejected, use.where, text, _find_replacement(use, missing))


def _find_missing(use: Use, installed: Installed) -> str | None:
    """Return the first part of a dotted name that is missing, with the module before it."""
    first, *parts = [*use.module.split("."), *filter(None, [use.name])]
    known = first
    if not installed.has(_translate(known), None):
        return known
    for part in parts:
        module = _translate(known)
        if installed.has(f"{module}.{part}", None):
            known = f"{known}.{part}"
        elif installed.has(module, part):
            return None  # an object, such as flask.request, whose attributes are unknown
        else:
            return f"{known}.{part}"
    return None


def _translate(module: str) -> str:
    package, dot, rest = module.partition(".")
    return f"flask_jwt.extended{dot}{rest}" if package == EXTENDED else module


def _find_replacement(use: Use, missing: str) -> str | None:
    former = {"flask_jwt": OF_FLASK_JWT, EXTENDED: OF_EXTENDED}.get(missing.partition(".")[0])
    if former is not None:
        # The replacement is the same for all modules of the package.
        return _strip_verb(former.get(use.name or ""))
    candidates = (f"{use.module}.{use.name}", missing)
    return next((REPLACEMENTS[name] for name in candidates if name in REPLACEMENTS), None)


def _strip_verb(advice: str | None) -> str | None:
    """Return *advice* without the "write" that the report has before it."""
    return None if advice is None else advice.removeprefix("write").lstrip(": ")


def _examine_handlers(sources: Sources, installed: Installed) -> Iterator[Finding]:
    for name, where in sources.handlers:
        if name in installed.handlers:
            continue
        close = difflib.get_close_matches(name, installed.handlers, n=1, cutoff=0.6)
        write = _strip_verb(OF_EXTENSION.get(name)) or (f"@jwt.{close[0]}" if close else None)
        yield Finding(Kind.rejected, where, f"there is no handler {name}", write)


def _examine_guards(sources: Sources) -> Iterator[Finding]:
    for name, where in sources.without_parentheses:
        text = f"@jwt_required without parentheses on {name} is a TypeError"
        yield Finding(Kind.rejected, where, text, "@jwt_required()")
    for name, where in sources.above_route:
        text = f"@jwt_required() stands above the route of {name}, and so guards nothing"
        yield Finding(Kind.rejected, where, text, "@app.route(…) above, @jwt_required() below it")
    for name, where in sources.authenticates_true:
        text = f"{name}() returns True; every user would be user 1"
        yield Finding(Kind.rejected, where, text, "return the user, or the user's id")


def _examine_extensions(sources: Sources) -> Iterator[Finding]:
    names = {mention.name for mention in sources.extensions}
    if len(names) > 1:
        where = sources.extensions[-1].where
        text = "JWT and JWTManager can't both serve one application"
        yield Finding(Kind.rejected, where, text, "one of them: JWTManager has all that JWT has")


def _examine_verifiers(sources: Sources) -> Iterator[Finding]:
    """Yield what this package does in place of code and libraries that verify foreign tokens."""
    is_extended = any(use.module.startswith((EXTENDED, "flask_jwt.ext")) for use in sources.uses)
    extension = "JWTManager" if is_extended else "JWT"
    # The provider may be named in another file, such as the configuration.
    providers = {verifier.provider for verifier in sources.verifiers if verifier.provider}
    only = next(iter(providers)) if len(providers) == 1 else None
    for text, provider, where in sources.verifiers:
        write = f"{extension}(app, issuers=[{WRITE[provider or only]}])"
        yield Finding(
            Kind.differs, where, f"{text}. An Issuer keeps the keys during an outage", write
        )


def _examine_options(sources: Sources, installed: Installed) -> Iterator[Finding]:
    for name, where in sources.options:
        if name in installed.options:
            continue
        close = difflib.get_close_matches(name, installed.options, n=1, cutoff=0.75)
        advice = OF_CONFIG.get(name) or (f"did you mean {close[0]}?" if close else None)
        text = f"there is no option {name}; it has no effect"
        yield Finding(Kind.differs, where, f"{text}: {advice}" if advice else text)
