"""Describe guards in OpenAPI documents: ``secure(api)``, or ``annotate(document, app)``."""

from .annotation import annotate
from .libraries import secure

__all__ = ["annotate", "secure"]
