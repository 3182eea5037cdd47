"""List the issuers of well-known providers in one table.

Each row names what it was compared with on its date, and what could not be compared.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from .arguments import Path


class Preset(NamedTuple):
    """Hold the peculiarities of one provider.

    In strings, ``{name}`` stands for the parameter of that name.

    :param checked: the date of the comparison
    :param sources: the pages of the provider, and files of its libraries, that were read then
    :param unconfirmed: what in the row is in none of the sources, and where it is from
    :param issuer: the ``iss`` of the tokens
    :param jwks_uri: where the keys are; None: in the metadata of the issuer
    :param aliases: other values of ``iss`` that mean the same issuer
    :param values: claims that must have one value, or one of the parameter's values
    :param one_of: claims of which there must be at least one
    :param required: claims that must be present
    :param scopes: where the scopes are
    :param roles: where the roles are
    """

    checked: str
    sources: tuple[str, ...]
    issuer: str
    unconfirmed: str = ""
    jwks_uri: str | None = None
    aliases: tuple[str, ...] = ()
    algorithms: tuple[str, ...] = ("RS256",)
    values: Mapping[str, str] = {}
    one_of: tuple[str, ...] = ()
    required: tuple[str, ...] = ("exp", "iss", "sub")
    scopes: tuple[Path, ...] = ("scope",)
    roles: tuple[Path, ...] = ()


_COGNITO = Preset(
    checked="2026-11-28",
    sources=(
        "https://docs.aws.amazon.com/cognito/latest/developerguide/"
        "amazon-cognito-user-pools-using-tokens-verifying-a-jwt.html",
        "https://docs.aws.amazon.com/cognito-user-identity-pools/latest/APIReference/"
        "API_IssuerConfigurationType.html",
        "https://github.com/awslabs/aws-jwt-verify/blob/main/src/cognito-verifier.ts",
        "the tokens of moto 5",
    ),
    unconfirmed="That a pool has the same keys under both issuers: programs of others rely on it. "
    "The suffix of the updated issuer in China.",
    issuer="https://cognito-idp.{region}.amazonaws.com{suffix}/{pool}",
    # A pool can be set to the "updated" issuer.
    aliases=("https://issuer-cognito-idp.{region}.amazonaws.com{suffix}/{pool}",),
    jwks_uri="{issuer}/.well-known/jwks.json",
    # An access token has no aud: its client_id names the client.
    values={"token_use": "access", "client_id": "{client_id}"},
    roles=("cognito:groups",),
)

PRESETS: dict[str, Preset] = {
    "auth0": Preset(
        checked="2026-11-28",
        sources=(
            "https://auth0.com/docs/secure/tokens/access-tokens/validate-access-tokens",
            "https://auth0.com/docs/secure/tokens/access-tokens/access-token-profiles",
            "https://github.com/auth0/docs/blob/master/articles/tokens/guides/locate-jwks.md",
        ),
        issuer="https://{domain}/",
        # With RBAC, the permissions of the user are in a claim of their own.
        scopes=("scope", "permissions"),
    ),
    "cognito": _COGNITO,
    "cognito_id": _COGNITO._replace(values={"token_use": "id"}),
    # The keys are shared by all tenants, so Issuer.entra() also compares tid with iss, and both
    # with the issuer of the key.
    "entra": Preset(
        checked="2026-11-28",
        sources=(
            "https://learn.microsoft.com/entra/identity-platform/access-tokens",
            "https://learn.microsoft.com/entra/identity-platform/access-token-claims-reference",
            "https://learn.microsoft.com/entra/identity-platform/id-token-claims-reference",
        ),
        unconfirmed="That tokens of version 1.0 are signed with keys of this URL: their own "
        "metadata, which names another, could not be read.",
        issuer="https://login.microsoftonline.com/{tenant}/v2.0",
        aliases=("https://sts.windows.net/{tenant}/",),
        jwks_uri="https://login.microsoftonline.com/common/discovery/v2.0/keys",
        # The client: azp in version 2.0, appid in 1.0. ID tokens have neither.
        one_of=("azp", "appid"),
        required=("exp", "iss", "sub", "tid"),
        scopes=("scp",),
        roles=("roles",),
    ),
    "keycloak": Preset(
        checked="2026-11-28",
        sources=(
            "https://www.keycloak.org/docs/latest/server_admin/#audience-support",
            "https://github.com/keycloak/keycloak/blob/main/core/src/main/java/org/keycloak/"
            "representations/AccessToken.java",
            "https://github.com/keycloak/keycloak/blob/main/core/src/main/java/org/keycloak/"
            "util/TokenUtil.java",
        ),
        unconfirmed="The list of algorithms.",
        issuer="{url}",
        algorithms=("RS256", "ES256", "PS256", "EdDSA"),
        # An ID token has the typ "ID", a refresh token "Refresh", and one that needs a proof of
        # possession "DPoP".
        values={"typ": "Bearer"},
        roles=(("realm_access", "roles"), ("resource_access", "{client}", "roles")),
    ),
    "firebase": Preset(
        checked="2026-11-28",
        sources=(
            "https://firebase.google.com/docs/auth/admin/verify-id-tokens",
            "https://github.com/firebase/firebase-admin-python/blob/master/firebase_admin/"
            "_token_gen.py",
        ),
        unconfirmed="The URL of the keys: the documentation names that of the same keys as X.509 "
        "certificates, and programs of others use this one.",
        issuer="https://securetoken.google.com/{project}",
        jwks_uri="https://www.googleapis.com/service_accounts/v1/jwk/"
        "securetoken@system.gserviceaccount.com",
        required=("exp", "iat", "iss", "sub", "auth_time"),
        # Roles are claims of the program's own choice.
        scopes=(),
    ),
    "google": Preset(
        checked="2026-11-28",
        sources=(
            "https://developers.google.com/identity/gsi/web/guides/verify-google-id-token",
            "https://github.com/googleapis/google-auth-library-python/blob/main/google/oauth2/"
            "id_token.py",
        ),
        issuer="https://accounts.google.com",
        aliases=("accounts.google.com",),
        jwks_uri="https://www.googleapis.com/oauth2/v3/certs",
        values={"hd": "{hd}"},
        scopes=(),
    ),
    "supabase": Preset(
        checked="2026-11-28",
        sources=(
            "https://supabase.com/docs/guides/auth/jwt-fields",
            "https://supabase.com/docs/guides/auth/jwts",
            "https://supabase.com/docs/reference/javascript/auth-getclaims",
        ),
        unconfirmed="The name of the roles in app_metadata, which is the program's choice. Its "
        "users can't change app_metadata.",
        issuer="{url}/auth/v1",
        jwks_uri="{issuer}/.well-known/jwks.json",
        algorithms=("ES256", "RS256"),
        scopes=(),
        roles=("role", ("app_metadata", "roles")),
    ),
    "clerk": Preset(
        checked="2026-11-28",
        sources=(
            "https://clerk.com/docs/guides/sessions/manual-jwt-verification",
            "https://clerk.com/docs/guides/sessions/session-tokens",
        ),
        unconfirmed="That tokens of JWT templates have no sid.",
        issuer="{url}",
        jwks_uri="{issuer}/.well-known/jwks.json",
        # A session token has no aud: its azp names the page.
        values={"azp": "{authorized_parties}"},
        required=("exp", "iss", "sub", "sid"),
        scopes=(),
        # Version 1 of the claims, and version 2, which has the role without its prefix "org:".
        roles=("org_role", ("o", "rol")),
    ),
    "okta": Preset(
        checked="2026-11-28",
        sources=(
            "https://developer.okta.com/docs/guides/validate-access-tokens/python/overview/",
            "https://developer.okta.com/docs/guides/customize-tokens-groups-claim/",
            "https://github.com/okta/okta-jwt-verifier-js/blob/master/README.md",
            "https://github.com/okta/okta-jwt-verifier-js/blob/master/lib.js",
        ),
        unconfirmed="The name of the claim with the groups, which is the administrator's choice; "
        "it is that of the documentation's example.",
        issuer="https://{domain}/oauth2/{server}",
        jwks_uri="{issuer}/v1/keys",
        # ID tokens have no cid.
        required=("exp", "iss", "sub", "cid"),
        scopes=("scp",),
        roles=("groups",),
    ),
    "cloudflare": Preset(
        checked="2026-11-28",
        sources=(
            "https://developers.cloudflare.com/cloudflare-one/access-controls/applications/"
            "http-apps/authorization-cookie/application-token/",
            "https://developers.cloudflare.com/cloudflare-one/access-controls/applications/"
            "http-apps/authorization-cookie/validating-json/",
        ),
        issuer="https://{team}.cloudflareaccess.com",
        jwks_uri="{issuer}/cdn-cgi/access/certs",
        # A token of the whole team has the type "org".
        values={"type": "app"},
        # The documented token has neither scopes nor groups.
        scopes=(),
    ),
}


def expand(preset: Preset, parameters: Mapping[str, object]) -> dict[str, object]:
    """Return the arguments of ``Issuer`` that *preset* stands for.

    :param parameters: strings, lists of strings, and None for those that are not used
    """
    texts = {name: value for name, value in parameters.items() if isinstance(value, str)}
    issuer = preset.issuer.format(**texts)
    texts["issuer"] = issuer
    return {
        "issuer": issuer,
        "aliases": tuple(alias.format(**texts) for alias in preset.aliases),
        "jwks_uri": preset.jwks_uri and preset.jwks_uri.format(**texts),
        "algorithms": preset.algorithms,
        "values": _expand_values(preset.values, parameters),
        "one_of": preset.one_of,
        "required": preset.required,
        "scopes": preset.scopes,
        "roles": tuple(
            path for path in (_expand_path(path, texts) for path in preset.roles) if path
        ),
    }


def _expand_values(
    values: Mapping[str, str], parameters: Mapping[str, object]
) -> dict[str, object]:
    expanded = {}
    for claim, value in values.items():
        accepted = parameters.get(value[1:-1]) if value.startswith("{") else value
        if accepted is not None:
            expanded[claim] = accepted
    return expanded


def _expand_path(path: Path, texts: Mapping[str, str]) -> Path | None:
    """Return *path* with the parameters, or None if one is not used."""
    try:
        if isinstance(path, str):
            return path.format(**texts)
        return tuple(name.format(**texts) for name in path)
    except KeyError:
        return None
