"""Makes gunicorn write its log lines in the format of the service.

The Procfile names this module, because gunicorn's master logs before it loads any app.
"""

from typing import Any

from gunicorn.glogging import Logger

from microbadger.logs import LineFormatter, adopt


class GunicornLog(Logger):  # type: ignore[misc]
    """gunicorn's own logger with its settings, but with the line format of the service."""

    def setup(self, cfg: Any) -> None:
        """Set up the handlers. gunicorn calls this again whenever it reloads its configuration."""
        super().setup(cfg)
        for log in (self.error_log, self.access_log):
            for handler in log.handlers:
                adopt(handler, LineFormatter())
