"""Run idioms, each with an application of its own, and print their results as JSON.

This also runs on Python 3.7 with Flask-JWT 0.3.2.
"""

import contextlib
import json
import logging
import platform
import time
import warnings

logging.disable(50)
warnings.simplefilter("ignore")

_IDIOMS = []


def idiom(function):
    _IDIOMS.append(function)
    return function


def describe(response):
    """Return the status and the body of a response; of a native error, without its ``code``."""
    body = response.get_json(silent=True)
    if isinstance(body, dict) and "status_code" in body:
        body = {key: value for key, value in body.items() if key not in ("code", "hint")}
    return [response.status_code, response.get_data(True) if body is None else body]


def run(function):
    try:
        return function()
    except Exception as error:
        return "%s raised" % type(error).__name__


def version_of(name):
    try:
        from importlib.metadata import version
    except ImportError:
        import pkg_resources

        return pkg_resources.get_distribution(name).version
    return version(name)


def main(*distributions):
    versions = {"Python": platform.python_version()}
    for name in distributions:
        with contextlib.suppress(Exception):  # not installed here
            versions[name] = version_of(name)
    results = {function.__name__: run(function) for function in _IDIOMS}
    document = {"date": time.strftime("%Y-%m-%d"), "versions": versions, "results": results}
    print(json.dumps(document, indent=1, sort_keys=True))
