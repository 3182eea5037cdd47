"""Run the programs of the guides, which are folders of examples/."""

from __future__ import annotations

import importlib
import sys
import threading
from contextlib import contextmanager

from werkzeug.serving import make_server

from tests.support import ROOT


@contextmanager
def example(folder, *modules):
    """Import modules of a folder of examples/, as if Python had been started in it."""
    path = str(ROOT / "examples" / folder)
    before = set(sys.modules)
    sys.path.insert(0, path)
    try:
        imported = [importlib.import_module(name) for name in modules]
        yield imported[0] if len(imported) == 1 else imported
    finally:
        sys.path.remove(path)
        for name in set(sys.modules) - before:
            if (getattr(sys.modules[name], "__file__", None) or "").startswith(path):
                del sys.modules[name]


@contextmanager
def served(app, address="127.0.0.1", port=0):
    """Serve an application with threads of this process, and give its port."""
    server = make_server(address, port, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
