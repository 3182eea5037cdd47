"""``config``: the current application's options, under Flask-JWT-Extended's property names."""

import json
from datetime import timedelta
from typing import Any

from flask import json as flask_json

from .. import ConfigError, checked_config

_OTHER_NAMES = {
    "access_expires": "JWT_ACCESS_TOKEN_EXPIRES", "refresh_expires": "JWT_REFRESH_TOKEN_EXPIRES",
    "csrf_request_methods": "JWT_CSRF_METHODS", "error_msg_key": "JWT_ERROR_MESSAGE_KEY",
    "identity_claim_key": "JWT_IDENTITY_CLAIM", "leeway": "JWT_DECODE_LEEWAY",
}  # fmt: skip
_KEYS = {"encode_key": "JWT_PRIVATE_KEY", "decode_key": "JWT_PUBLIC_KEY"}


class JSONEncoder(json.JSONEncoder):
    """Writes what the current application's JSON provider writes."""

    def default(self, o: Any) -> Any:
        return json.loads(flask_json.dumps(o))


class _Config:
    """Reading a property never changes the configuration. One that can't be used raises
    :class:`~flask_jwt.ConfigError`, which is a RuntimeError."""

    json_encoder = JSONEncoder
    exempt_methods = frozenset({"OPTIONS"})

    def __getattr__(self, name: str) -> Any:
        if name.startswith("jwt_in_"):
            return name.removeprefix("jwt_in_") in self.token_location
        if name in _KEYS:
            return self._key(_KEYS[name])
        try:
            value = checked_config(_OTHER_NAMES.get(name, f"JWT_{name.upper()}"))
        except KeyError:
            raise AttributeError(f"config has no {name}") from None
        if name.endswith("_expires") and type(value) is int:
            return timedelta(seconds=value)
        return (value,) if name == "token_location" and isinstance(value, str) else value

    @property
    def cookie_max_age(self) -> int | None:
        return None if self.session_cookie else 31_540_000

    @property
    def is_asymmetric(self) -> bool:
        return not self.algorithm.startswith("HS")

    @property
    def decode_algorithms(self) -> list[str]:
        algorithms: list[str] = list(checked_config("JWT_DECODE_ALGORITHMS") or ())
        return algorithms if self.algorithm in algorithms else [*algorithms, self.algorithm]

    def _key(self, asymmetric: str) -> Any:
        names = [asymmetric] if self.is_asymmetric else ["JWT_SECRET_KEY", "SECRET_KEY"]
        for value in map(checked_config, names):
            if value:
                return value
        raise ConfigError(f"{names[0]} must be set to use the algorithm {self.algorithm}")


config = _Config()
