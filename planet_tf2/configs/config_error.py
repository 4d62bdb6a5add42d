"""The error of settings that cannot be used."""


class ConfigError(ValueError):
    """A configuration that cannot be used. The message fits in one line."""
