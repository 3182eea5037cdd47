"""Name a store in messages, without the password that its URI may contain."""

from __future__ import annotations

import os
import re

#: Only a URI that this matches is shown. In any other, a part may belong to a password that was not
#: encoded, such as one that contains a slash.
_HOSTS = r"[\w.-]+(?::\d+)?|\[[0-9A-Fa-f:.]+\](?::\d+)?"
_URI = (
    rf"([a-z][a-z0-9+]*)://(?:[^@/?#]*@)?((?:{_HOSTS})(?:,(?:{_HOSTS}))*)?"
    r"(/[^@?#]*)?(?:\?[^@#]*)?"
)


def describe_location(uri: str, folder: str = "") -> str:
    """Return *uri* without user, password and query; of SQLite's files, the absolute path.

    :param folder: the folder of a SQLite database whose path is relative
    """
    match = re.fullmatch(_URI, uri)
    if match is None:
        return f"{uri.partition(':')[0]}://…" if re.match("[a-z][a-z0-9+]*://", uri) else "…"
    scheme, hosts, path = match[1], match[2] or "", match[3] or ""
    if scheme.startswith("sqlite") and not hosts and path.strip("/"):
        path = "/" + os.path.abspath(os.path.join(folder, path[1:]))
        has_folder = os.path.isdir(os.path.dirname(path[1:]))
        return f"{scheme}://{path}{'' if has_folder else ' (its folder was missing at start)'}"
    return f"{scheme}://{hosts}{path}"
