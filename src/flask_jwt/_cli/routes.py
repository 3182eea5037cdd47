"""Show what guards each route."""

from __future__ import annotations

import json

import click

from .._web.context import app_state
from .._web.route_table import Route, list_routes
from .output import json_option, print_table


@click.option(
    "--fail-on-open", is_flag=True,
    help="Exit with 1 if a route is open and nothing says that it is meant to be.",
)  # fmt: skip
@click.option(
    "--allow", "allowed", multiple=True, metavar="ENDPOINT",
    help="An endpoint that may be open, for --fail-on-open; may be repeated.",
)  # fmt: skip
@json_option
def routes(fail_on_open: bool, allowed: tuple[str, ...], as_json: bool) -> None:
    """List all routes, and who may call them.

    Open routes without a guard are named "open". A guard that stands above the route decorator
    guards nothing, which is shown in red.
    """
    table = list_routes(app_state())
    if as_json:
        click.echo(json.dumps([_as_json(route) for route in table], indent=2))
    else:
        print_table(("RULE", "METHODS", "ACCESS", "REQUIRES"), map(_as_row, table))
        for route in table:
            if route.is_bypassed:
                click.secho(
                    f"{route.rule} is open: @jwt_required() stands above the route decorator, "
                    "which has registered the function before. Put the route decorator above it.",
                    fg="red", err=True,
                )  # fmt: skip
    mistakes = [
        route for route in table
        if route.is_bypassed or (route.access == "open" and route.endpoint not in allowed)
    ]  # fmt: skip
    if fail_on_open and mistakes:
        endpoints = ", ".join(dict.fromkeys(route.endpoint for route in mistakes))
        raise click.ClickException(
            f"These endpoints are open: {endpoints}. Guard them with @jwt_required(), or allow "
            "them with --allow."
        )


def _as_row(route: Route) -> tuple[str, str, str, str]:
    access = "OPEN" if route.is_bypassed else route.access
    return route.rule, " ".join(route.methods), access, "; ".join(route.requirements) or "-"


def _as_json(route: Route) -> dict[str, object]:
    return {
        "rule": route.rule,
        "methods": list(route.methods),
        "endpoint": route.endpoint,
        "access": route.access,
        "guard_above_route": route.is_bypassed,
        "requirements": list(route.requirements),
    }
