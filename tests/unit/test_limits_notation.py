"""The notation of ``JWT_LOGIN_LIMITS``, recorded from the library ``limits`` 5.8.0."""

from __future__ import annotations

import pytest

from flask_jwt import ConfigError
from flask_jwt._login.notation import parse_limits

# Made by parse_many() of the library: the amounts, and get_expiry(), of what it returned, or
# ValueError.
RECORDED = [
    ("10/minute", [[10, 60]]),
    ("10/minute; 100/hour", [[10, 60], [100, 3600]]),
    ("1/second", [[1, 1]]),
    ("3 per hour", [[3, 3600]]),
    ("3 PER HOUR", [[3, 3600]]),
    ("3perhour", [[3, 3600]]),
    ("3 per 2 hours", [[3, 7200]]),
    ("10/30seconds", [[10, 30]]),
    ("10/30 seconds", [[10, 30]]),
    ("10 / 30 second", [[10, 30]]),
    (" 5/day ", [[5, 86400]]),
    ("5/days", [[5, 86400]]),
    ("5/month", [[5, 2592000]]),
    ("5/2months", [[5, 5184000]]),
    ("7/year", [[7, 31104000]]),
    ("1/second;2/minute,3/hour", [[1, 1], [2, 60], [3, 3600]]),
    ("1/minute,2/hour;3/day", [[1, 60], [2, 3600], [3, 86400]]),
    ("5/1minute", [[5, 60]]),
    ("5/0minute", [[5, 60]]),
    ("0/minute", [[0, 60]]),
    ("007/minute", [[7, 60]]),
    ("10/minute;", ValueError),
    (";10/minute", ValueError),
    ("10/minute;;20/hour", ValueError),
    ("", ValueError),
    ("often", ValueError),
    ("10", ValueError),
    ("ten/minute", ValueError),
    ("5/fortnight", ValueError),
    ("0.5/minute", ValueError),
    ("-1/minute", ValueError),
    ("10/minutess", ValueError),
    ("10/min", ValueError),
    ("10/m", ValueError),
    ("10/week", ValueError),
    ("10\t/\tminute", [[10, 60]]),
    ("10/minute\n", [[10, 60]]),
    ("\n10/minute", [[10, 60]]),
    ("10/\nminute", [[10, 60]]),
    ("10/minute\n;\n20/hour", [[10, 60], [20, 3600]]),
    ("10 per minute : 20 per hour", ValueError),
    ("10/minute:;20/hour", [[10, 60], [20, 3600]]),
    ("10/minute :; 20/hour", [[10, 60], [20, 3600]]),
    ("10/minute:20/hour", ValueError),
    ("10 minute", ValueError),
    ("10//minute", ValueError),
    ("10/per minute", ValueError),
    ("10per/minute", ValueError),
    ("1 0/minute", ValueError),
    ("10/1 0 minutes", ValueError),
    ("99999999999999999999/minute", [[99999999999999999999, 60]]),
    ("10/99999999999year", [[10, 3110399999968896000]]),
    ("\u0661\u0660/minute", ValueError),
    ("10/\u0662minutes", ValueError),
    ("10/M\u0130NUTE", ValueError),
    ("10/minute and 5/hour", ValueError),
    ("10/minute &5/hour", ValueError),
    ("10/minute; 100/hour extra", ValueError),
    ("10/minute, 100 per hour, 1000/day", [[10, 60], [100, 3600], [1000, 86400]]),
    ("\xb2/minute", ValueError),
    ("10/minute;20/fortnight", ValueError),
    ("10/\u017fecond", ValueError),
    ("10/\u017feconds", ValueError),
    ("10 / per minute", ValueError),
    ("10 per  minute", [[10, 60]]),
    ("10\xa0per\xa0minute", [[10, 60]]),
    ("10/minute\u2003;5/hour", [[10, 60], [5, 3600]]),
    ("10/Minute", [[10, 60]]),
    ("10/HOURS", [[10, 3600]]),
    ("3/2 Days", [[3, 172800]]),
    ("1/second|2/minute", [[1, 1], [2, 60]]),
    ("10/minute|100/hour", [[10, 60], [100, 3600]]),
    ("10 per minute | 5 per hour", [[10, 60], [5, 3600]]),
]


@pytest.mark.parametrize(("notation", "expected"), RECORDED)
def test_the_notation_means_what_it_meant_for_the_library(notation, expected):
    if expected is ValueError:
        with pytest.raises(ConfigError, match="10/minute; 100/hour"):
            parse_limits(notation)
    else:
        assert [list(window) for window in parse_limits(notation)] == expected
