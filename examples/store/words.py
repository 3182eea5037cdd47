"""Describe devices, times, prices and errors in words, for the pages."""

from datetime import datetime, timezone
from time import time

# The first match counts, because Edge also calls itself Chrome, and Chrome calls itself Safari.
BROWSERS = {
    "Edg": "Edge",
    "OPR/": "Opera",
    "SamsungBrowser": "Samsung Internet",
    "Firefox": "Firefox",
    "FxiOS": "Firefox",
    "Chrom": "Chrome",
    "CriOS": "Chrome",
    "Safari": "Safari",
}
SYSTEMS = {
    "iPhone": "iPhone",
    "iPad": "iPad",
    "Android": "Android",
    "CrOS": "Chromebook",
    "Windows": "Windows",
    "Mac OS X": "Mac",
    "Linux": "Linux",
}
UNITS = {"day": 86_400, "hour": 3_600, "minute": 60}


def device_name(user_agent):
    """Describe a user agent in words: ``Firefox on Windows``."""
    user_agent = user_agent or ""
    browser = next((name for mark, name in BROWSERS.items() if mark in user_agent), None)
    system = next((name for mark, name in SYSTEMS.items() if mark in user_agent), None)
    if browser and system:
        return f"{browser} on {system}"
    return browser or system or user_agent.split("/")[0][:40] or "Unknown device"  # curl/8.5


def distance(timestamp):
    """Describe a time relative to now: ``just now``, ``3 hours ago``, ``in 30 days``."""
    seconds = timestamp - time()
    for unit, size in UNITS.items():
        if abs(seconds) >= size:
            count = round(abs(seconds) / size)
            words = f"{count} {unit}{'s' if count > 1 else ''}"
            return f"in {words}" if seconds > 0 else f"{words} ago"
    return "in less than a minute" if seconds > 0 else "just now"


def date(timestamp):
    """Describe a time exactly: ``28 Nov 2026, 11:14:05 UTC``."""
    return datetime.fromtimestamp(int(timestamp), timezone.utc).strftime("%d %b %Y, %H:%M:%S UTC")


def iso(timestamp):
    """Format seconds since the epoch for ``<time datetime>``."""
    return datetime.fromtimestamp(int(timestamp), timezone.utc).isoformat()


def dollars(cents):
    """Write a price: ``$1,180.00``."""
    return f"${cents / 100:,.2f}"


def sentence(message):
    """Return *message* with a capital letter and a full stop."""
    return f"{message[:1].upper()}{message[1:].rstrip('.')}."
