"""Has gunicorn's master say what it does in the lines in which the service does.

It is named in the Procfile, since the master logs before it loads any app.
"""

from typing import Any

from gunicorn.glogging import Logger

from microbadger.logs import LineFormatter, adopt


class GunicornLog(Logger):  # type: ignore[misc]
    """gunicorn's own logger, with its settings, but for the form of the lines."""

    def setup(self, cfg: Any) -> None:
        """Set the handlers up, again whenever the configuration is read again."""
        super().setup(cfg)
        for log in (self.error_log, self.access_log):
            for handler in log.handlers:
                adopt(handler, LineFormatter())
