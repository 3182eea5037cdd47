"""List the issuers of well-known providers in one table.

Each row was compared with the provider's documentation on the date that it names.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from .arguments import Path


class Preset(NamedTuple):
    """Hold the peculiarities of one provider.

    In strings, ``{name}`` stands for the parameter of that name.

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
    source: str
    issuer: str
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
    source="https://docs.aws.amazon.com/cognito/latest/developerguide/"
    "amazon-cognito-user-pools-using-tokens-verifying-a-jwt.html",
    issuer="https://cognito-idp.{region}.amazonaws.com{suffix}/{pool}",
    jwks_uri="{issuer}/.well-known/jwks.json",
    # An access token has no aud: its client_id names the client.
    values={"token_use": "access", "client_id": "{client_id}"},
    roles=("cognito:groups",),
)

PRESETS: dict[str, Preset] = {
    "auth0": Preset(
        checked="2026-11-28",
        source="https://auth0.com/docs/secure/tokens/access-tokens/validate-access-tokens",
        issuer="https://{domain}/",
        scopes=("scope", "permissions"),
    ),
    "cognito": _COGNITO,
    "cognito_id": _COGNITO._replace(values={"token_use": "id"}),
    # The keys are shared by all tenants, so Issuer.entra() also compares tid with iss, and both
    # with the issuer of the key.
    "entra": Preset(
        checked="2026-11-28",
        source="https://learn.microsoft.com/entra/identity-platform/access-tokens",
        issuer="https://login.microsoftonline.com/{tenant}/v2.0",
        aliases=("https://sts.windows.net/{tenant}/",),
        jwks_uri="https://login.microsoftonline.com/common/discovery/v2.0/keys",
        # ID tokens have neither.
        one_of=("azp", "appid"),
        required=("exp", "iss", "sub", "tid"),
        scopes=("scp",),
        roles=("roles",),
    ),
    "keycloak": Preset(
        checked="2026-11-28",
        source="https://www.keycloak.org/docs/latest/server_admin/",
        issuer="{url}",
        algorithms=("RS256", "ES256", "PS256", "EdDSA"),
        # An ID token has the typ "ID", a refresh token "Refresh".
        values={"typ": "Bearer"},
        roles=(("realm_access", "roles"), ("resource_access", "{client}", "roles")),
    ),
    "firebase": Preset(
        checked="2026-11-28",
        source="https://firebase.google.com/docs/auth/admin/verify-id-tokens",
        issuer="https://securetoken.google.com/{project}",
        # The same keys as in the documented x509 endpoint, as JWKs.
        jwks_uri="https://www.googleapis.com/service_accounts/v1/jwk/"
        "securetoken@system.gserviceaccount.com",
        required=("exp", "iat", "iss", "sub", "auth_time"),
        scopes=(),
    ),
    "google": Preset(
        checked="2026-11-28",
        source="https://developers.google.com/identity/gsi/web/guides/verify-google-id-token",
        issuer="https://accounts.google.com",
        aliases=("accounts.google.com",),
        jwks_uri="https://www.googleapis.com/oauth2/v3/certs",
        values={"hd": "{hd}"},
        scopes=(),
    ),
    "supabase": Preset(
        checked="2026-11-28",
        source="https://supabase.com/docs/guides/auth/jwt-fields",
        issuer="{url}/auth/v1",
        jwks_uri="{issuer}/.well-known/jwks.json",
        algorithms=("ES256", "RS256"),
        scopes=(),
        roles=("role", ("app_metadata", "roles")),
    ),
    "clerk": Preset(
        checked="2026-11-28",
        source="https://clerk.com/docs/guides/sessions/manual-jwt-verification",
        issuer="{url}",
        jwks_uri="{issuer}/.well-known/jwks.json",
        # A session token has no aud: its azp names the page. Tokens for other services, made of a
        # JWT template, have no sid.
        values={"azp": "{authorized_parties}"},
        required=("exp", "iss", "sub", "sid"),
        scopes=(),
        roles=("org_role", ("o", "rol")),
    ),
    "okta": Preset(
        checked="2026-11-28",
        source="https://developer.okta.com/docs/guides/validate-access-tokens/",
        issuer="https://{domain}/oauth2/{server}",
        # ID tokens have no cid.
        required=("exp", "iss", "sub", "cid"),
        scopes=("scp",),
        roles=("groups",),
    ),
    "cloudflare": Preset(
        checked="2026-11-28",
        source="https://developers.cloudflare.com/cloudflare-one/access-controls/applications/"
        "http-apps/authorization-cookie/application-token/",
        issuer="https://{team}.cloudflareaccess.com",
        jwks_uri="{issuer}/cdn-cgi/access/certs",
        values={"type": "app"},
        scopes=(),
        roles=("groups",),
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
