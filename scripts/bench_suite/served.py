"""Provide the WSGI application of the gunicorn section, which chooses an app by path."""

from __future__ import annotations

from typing import Any

from .candidates import extended, ours

_ours, _guarded = ours({})
_ours.add_url_rule("/guarded", view_func=_guarded, endpoint="guarded")
_fje, _guarded_by_fje = extended("flask_jwt_extended", {})
_fje.add_url_rule("/extended", view_func=_guarded_by_fje, endpoint="guarded")


def application(environ: dict[str, Any], start_response: Any) -> Any:
    app = _fje if environ["PATH_INFO"] == "/extended" else _ours
    return app(environ, start_response)
