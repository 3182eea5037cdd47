"""Where the databases are, and the key that signs tokens."""

import os
import re
from contextlib import suppress
from pathlib import Path
from secrets import token_hex
from tempfile import NamedTemporaryFile


def database_url():
    """``DATABASE_URL`` with the driver's name in it, or a SQLite file in the instance folder."""
    url = os.environ.get("DATABASE_URL") or "sqlite:///store.db"
    return re.sub(r"^postgres(ql)?://", "postgresql+psycopg://", url)


def sessions_url(folder):
    """``SESSIONS_URL`` (PostgreSQL, Redis …), or a SQLite file in *folder*."""
    Path(folder).mkdir(mode=0o700, parents=True, exist_ok=True)
    return os.environ.get("SESSIONS_URL") or f"sqlite:///{folder}/sessions.db"


def secret_key(folder):
    """The key kept in *folder*; the first start makes it, so that a restart logs nobody out."""
    path = Path(folder, "secret_key")
    if not path.exists():
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with NamedTemporaryFile("w", dir=folder) as draft:  # only its owner may read it
            draft.write(token_hex(32))
            draft.flush()
            # Workers start together: one of them succeeds, and all read what it wrote.
            with suppress(FileExistsError):
                os.link(draft.name, path)
    return path.read_text()
