"""Turn app.config into settings and codecs."""
