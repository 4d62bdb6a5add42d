"""The error of settings that cannot be used."""

from planet_tf2.tools.plain_text import one_line


class ConfigError(ValueError):
    """A configuration that cannot be used. The message is a short line."""

    def __init__(self, message: object) -> None:
        super().__init__(one_line(message))
