"""Configuration of Sphinx. ``scripts/docs`` builds the site from these pages into build/docs."""

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

from flask_jwt import __version__

project = "Flask-JWT-Too"
author = "The Flask-JWT-Too authors"
copyright = "The Flask-JWT-Too authors, MIT licence"  # noqa: A001
release = version = __version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "site_links", "site_llms", "site_accessible"]
nitpicky = True

# Each heading is an anchor, under the name that forges give it.
myst_heading_anchors = 4
myst_enable_extensions = ["attrs_block"]

autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
autodoc_typehints_format = "short"
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 80
add_module_names = False
toc_object_entries_show_parents = "hide"

# Or "--json" would get a dash, and quotation marks in messages would be others.
smartquotes = False

html_theme = "furo"
html_title = f"Flask-JWT-Too {release}"
html_baseurl = os.environ.get("READTHEDOCS_CANONICAL_URL", "")
html_static_path = ["_static"]
html_favicon = "_static/icon.svg"
html_css_files = ["site.css"]
html_copy_source = False
pygments_style = "a11y-high-contrast-light"
pygments_dark_style = "github-dark"
