"""Describe guards in OpenAPI documents: ``secure(api)``, or ``annotate(document, app)``."""

from ._openapi.annotation import annotate
from ._openapi.libraries import secure

__all__ = ["annotate", "secure"]
