"""From a configuration to settings and codecs."""
