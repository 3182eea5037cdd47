"""Find where a program verifies tokens of other issuers without this package.

The forms are those of programs in public repositories: PyJWT's client of a JWKS, keys that are
fetched by hand, and libraries for one provider or for OpenID Connect.
"""

from __future__ import annotations

import ast
from typing import NamedTuple


class Verifier(NamedTuple):
    """Note where a program verifies tokens of another issuer.

    :param provider: the name of its preset, or None if it is unknown
    """

    text: str
    provider: str | None
    where: str


_PYJWKCLIENT = "PyJWKClient rejects valid tokens while the keys can't be fetched"

#: Modules, and names of modules, with what is to be said about them and their provider.
_LIBRARIES: dict[str, tuple[str, str | None]] = {
    "flask_oidc": ("Flask-OIDC asks the issuer about each access token", None),
    "flask_pyoidc": ("Flask-pyoidc asks the issuer about each access token", None),
    "authlib.oauth2.rfc7523.JWTBearerTokenValidator": (
        "Authlib's validator keeps the keys with which it was created", None,
    ),
    "authlib.oauth2.rfc9068.JWTBearerTokenValidator": (
        "Authlib's validator leaves fetching the keys to the program", None,
    ),
    "jwt.PyJWKClient": (_PYJWKCLIENT, None),
    "jwt.jwks_client.PyJWKClient": (_PYJWKCLIENT, None),
    "cognitojwt": ("cognitojwt verifies tokens of Cognito", "cognito"),
    "flask_cognito": ("Flask-Cognito verifies tokens of Cognito", "cognito"),
    "flask_awscognito": ("Flask-AWSCognito verifies tokens of Cognito", "cognito"),
    "flask_cognito_lib": ("flask-cognito-lib verifies tokens of Cognito", "cognito"),
    "firebase_admin.auth.verify_id_token": (
        "firebase_admin verifies tokens of Firebase", "firebase",
    ),
    "google.oauth2.id_token": (
        "google.oauth2.id_token fetches certificates for each token", "google",
    ),
    "okta_jwt_verifier": ("okta-jwt-verifier verifies tokens of Okta", "okta"),
    "keycloak.KeycloakOpenID": ("python-keycloak verifies tokens of Keycloak", "keycloak"),
    "clerk_backend_api": ("clerk-backend-api verifies tokens of Clerk", "clerk"),
    "auth0.authentication.token_verifier": ("auth0-python verifies tokens of Auth0", "auth0"),
}  # fmt: skip

#: Parts of strings and of names that tell the provider, the most specific ones first.
_PROVIDERS = {
    "cognito-idp": "cognito", "cognito": "cognito",
    "login.microsoftonline.com": "entra", "sts.windows.net": "entra",
    "protocol/openid-connect": "keycloak", "/realms/": "keycloak", "keycloak": "keycloak",
    "securetoken": "firebase", "firebase": "firebase",
    "cdn-cgi/access": "cloudflare", "cloudflareaccess": "cloudflare",
    "supabase": "supabase", "clerk": "clerk", "okta": "okta", "auth0": "auth0",
    "accounts.google.com": "google", "googleapis.com/oauth2": "google",
}  # fmt: skip

_KEY_URLS = (
    "jwks", "/discovery/v2.0/keys", "/discovery/keys", "openid-connect/certs", "/v1/keys",
    "cdn-cgi/access/certs", "oauth2/v3/certs", "oauth2/v1/certs", "securetoken@system",
)  # fmt: skip

_FETCHING = {
    "requests.get", "requests.request", "httpx.get", "urllib.request.urlopen", "urlopen",
    "six.moves.urllib.request.urlopen", "urllib3.request", "requests.Session.get",
}  # fmt: skip

_BY_HAND = "the keys of an issuer are fetched by hand"
_FOR_JOSE = "the keys of an issuer are fetched by hand, for python-jose"
_LOADER = "the decode_key_loader fetches the keys of an issuer"

WRITE = {
    None: 'Issuer("https://…", audience="…")',
    "auth0": 'Issuer.auth0("acme.eu.auth0.com", audience="…")',
    "cognito": 'Issuer.cognito("eu-west-1_…", client_id="…")',
    "entra": 'Issuer.entra(tenants=["…"], audience="…")',
    "keycloak": 'Issuer.keycloak("https://…/realms/…", audience="…")',
    "firebase": 'Issuer.firebase("…")',
    "google": 'Issuer.google(client_id="….apps.googleusercontent.com")',
    "supabase": 'Issuer.supabase("https://….supabase.co")',
    "clerk": 'Issuer.clerk("https://clerk.…", authorized_parties=["https://…"])',
    "okta": 'Issuer.okta("acme.okta.com", audience="api://default")',
    "cloudflare": 'Issuer.cloudflare("…", audience="…")',
}
"""What to write for tokens of each provider."""


def find_provider(text: str) -> str | None:
    """Return the preset for the provider that *text*, a URL or a name, mentions."""
    lower = text.lower()
    return next((name for part, name in _PROVIDERS.items() if part in lower), None)


def find_verifiers(tree: ast.Module, file: str) -> list[Verifier]:
    """Return where the module in *file* verifies tokens of other issuers; each way once."""
    found = _Collector()
    found.visit(tree)
    mentioned = map(find_provider, [*found.strings, *sorted(found.names)])
    provider = next(filter(None, mentioned), None)
    lines: dict[str, tuple[int, str | None]] = {}
    for name, line in [*found.imports, *found.reads]:
        if (library := _find_library(name)) is not None:
            text, of_library = library
            lines.setdefault(text, (line, of_library))
    loader = next((line for node, line in found.loaders if found.leads_to_fetch(node)), None)
    if loader is not None:
        lines.pop(_PYJWKCLIENT, None)  # the loader uses it
        lines[_LOADER] = loader, None
    elif found.fetches and found.knows_keys:
        uses_jose = any(name.partition(".")[0] == "jose" for name, _ in found.imports)
        lines[_FOR_JOSE if uses_jose else _BY_HAND] = found.fetches[0], None
    return [
        Verifier(text, of_library or provider, f"{file}:{line}")
        for text, (line, of_library) in lines.items()
    ]


def _find_library(name: str) -> tuple[str, str | None] | None:
    """Return the entry of a dotted name, or of a module that contains it."""
    while name:
        if name in _LIBRARIES:
            return _LIBRARIES[name]
        name = name.rpartition(".")[0]
    return None


class _Collector(ast.NodeVisitor):
    """Collect imports, calls, strings and key loaders of one module."""

    def __init__(self) -> None:
        self.imports: list[tuple[str, int]] = []
        self.reads: list[tuple[str, int]] = []
        self.strings: list[str] = []
        self.names: set[str] = set()
        self.loaders: list[tuple[ast.AST, int]] = []
        self._bound: dict[str, str] = {}
        """The dotted names that imported names stand for."""
        self._functions: dict[str, ast.AST] = {}
        self.fetches: list[int] = []
        """The lines that fetch something."""

    @property
    def knows_keys(self) -> bool:
        """Return whether the module names the place of a key set."""
        return any(part in text.lower() for text in self.strings for part in _KEY_URLS)

    def leads_to_fetch(self, node: ast.AST, depth: int = 2) -> bool:
        """Return whether a function, or one of this module that it calls, fetches something."""
        if isinstance(node, ast.Name):
            node = self._functions.get(node.id, node)
        for child in ast.walk(node):
            if not isinstance(child, ast.Call):
                continue
            name = self._resolve(child.func)
            if name in _FETCHING or name.rpartition(".")[2].startswith("get_signing_key"):
                return True
            called = self._functions.get(name)
            if depth and called is not None and self.leads_to_fetch(called, depth - 1):
                return True
        return False

    # Also within "try": which of two libraries is there doesn't matter here.

    def visit_Import(self, node: ast.Import) -> None:
        for alias in node.names:
            self.imports.append((alias.name, node.lineno))
            bound = alias.asname or alias.name.partition(".")[0]
            self._bound[bound] = alias.name if alias.asname else bound

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        if node.module is None or node.level:
            return
        for alias in node.names:
            name = f"{node.module}.{alias.name}"
            self.imports.append((name, node.lineno))
            self._bound[alias.asname or alias.name] = name

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        self._visit_function(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> None:
        self._visit_function(node)

    def _visit_function(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        self._functions[node.name] = node
        for decorator in node.decorator_list:
            if getattr(decorator, "attr", None) == "decode_key_loader":
                self.loaders.append((node, decorator.lineno))
        # Not the decorators: a route of the program may publish a key set of its own.
        for child in (node.args, *node.body):
            self.visit(child)

    def visit_Call(self, node: ast.Call) -> None:
        name = self._resolve(node.func)
        if name in _FETCHING:
            self.fetches.append(node.lineno)
        if name.rpartition(".")[2] == "decode_key_loader":
            self.loaders += [(argument, node.lineno) for argument in node.args]
        self.generic_visit(node)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        self.reads.append((self._resolve(node), node.lineno))
        self.names.add(node.attr)
        self.generic_visit(node)

    def visit_Name(self, node: ast.Name) -> None:
        self.names.add(node.id)

    def visit_Constant(self, node: ast.Constant) -> None:
        if isinstance(node.value, str):
            self.strings.append(node.value)

    def visit_Expr(self, node: ast.Expr) -> None:
        if not isinstance(node.value, ast.Constant):  # a docstring may mention anything
            self.generic_visit(node)

    def _resolve(self, node: ast.AST) -> str:
        """Return the dotted name of *node*, with the module that it was imported from."""
        parts: list[str] = []
        while isinstance(node, ast.Attribute):
            parts.append(node.attr)
            node = node.value
        if not isinstance(node, ast.Name):
            return ".".join(reversed(parts))
        parts.append(self._bound.get(node.id, node.id))
        return ".".join(reversed(parts))
