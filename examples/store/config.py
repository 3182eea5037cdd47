"""Find the databases, and the key that signs tokens."""

import os
import re
from contextlib import suppress
from pathlib import Path
from secrets import token_hex
from tempfile import NamedTemporaryFile


def database_url():
    """Return ``DATABASE_URL``, or a SQLite file in the instance folder."""
    url = os.environ.get("DATABASE_URL") or "sqlite:///store.db"
    # Hosting providers write postgres://, which SQLAlchemy rejects, and name no driver.
    return re.sub(r"^postgres(ql)?://", "postgresql+psycopg://", url)


def sessions_url(folder):
    """Return ``SESSIONS_URL`` (PostgreSQL, Redis …), or a SQLite file in *folder*."""
    Path(folder).mkdir(mode=0o700, parents=True, exist_ok=True)
    return os.environ.get("SESSIONS_URL") or f"sqlite:///{folder}/sessions.db"


def secret_key(folder):
    """Return the key in *folder*, which the first start creates; it survives restarts."""
    path = Path(folder, "secret_key")
    if not path.exists():
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with NamedTemporaryFile("w", dir=folder) as draft:  # created with mode 0600
            draft.write(token_hex(32))
            draft.flush()
            # Several workers may start at once. One succeeds, and all read what it wrote.
            with suppress(FileExistsError):
                os.link(draft.name, path)
    return path.read_text()
