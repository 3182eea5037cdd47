"""Log this package and the audit trail as lines of JSON on standard error."""

import json
import logging.config
import time


class JsonFormatter(logging.Formatter):
    def format(self, record):
        line = {
            "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(record.created)),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line)


logging.config.dictConfig(
    {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"json": {"()": JsonFormatter}},
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "json"}},
        "root": {"level": "WARNING", "handlers": ["stderr"]},
        "loggers": {
            "flask_jwt": {"level": "INFO"},  # each rejection
            "audit": {"level": "INFO"},
        },
    }
)
logging.captureWarnings(True)  # advice about the configuration, which Python warns about at start
