"""What pages say of devices, moments and mistakes, in words for people."""

from time import time

# The first mark that is found wins: Edge also calls itself Chrome, and Chrome Safari.
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
    """What a client says of itself, in words: ``Firefox on Windows``."""
    user_agent = user_agent or ""
    browser = next((name for mark, name in BROWSERS.items() if mark in user_agent), None)
    system = next((name for mark, name in SYSTEMS.items() if mark in user_agent), None)
    if browser and system:
        return f"{browser} on {system}"
    return browser or system or user_agent.split("/")[0][:40] or "Unknown device"  # curl/8.5


def distance(moment):
    """How far a moment is from now: ``just now``, ``3 hours ago``, ``in 30 days``."""
    seconds = moment - time()
    for unit, size in UNITS.items():
        if abs(seconds) >= size:
            count = round(abs(seconds) / size)
            words = f"{count} {unit}{'s' if count > 1 else ''}"
            return f"in {words}" if seconds > 0 else f"{words} ago"
    return "just now"


def sentence(text):
    """*text* with a capital letter and a full stop."""
    return f"{text[:1].upper()}{text[1:].rstrip('.')}."
