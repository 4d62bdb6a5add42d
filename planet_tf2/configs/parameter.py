"""What there is to know about one parameter."""

import dataclasses
from typing import Any

from planet_tf2.configs import kinds
from planet_tf2.configs.kinds import ConfigError, ListOf
from planet_tf2.tools.nearest import did_you_mean


@dataclasses.dataclass(frozen=True)
class Parameter:
    """A setting of the program.

    Attributes:
      name: Its name in `--params` and as a flag.
      default: Value in the `default` preset.
      kind: What values it can have, see `planet_tf2.configs.kinds`.
      help: One or more sentences, with units.
      group: The heading that it is listed under.
    """

    name: str
    default: Any
    kind: kinds.Kind
    help: str
    group: str

    @property
    def choices(self) -> tuple[str, ...]:
        """The names to choose from. Empty if this is not such a choice."""
        return kinds.choices(self.kind)

    def convert(self, value: Any) -> Any:
        """Returns the value in its proper type.

        Raises:
          ConfigError: Names the parameter, the value and what is expected.
        """
        try:
            return self.kind(value)
        except ConfigError as error:
            raise ConfigError(f"Parameter {self.name!r}: {error}") from None
        except ValueError:
            raise ConfigError(
                f"Parameter {self.name!r} must be {self.kind}, "
                f"not {kinds.shown(value)}.{self._hint(value)}"
            ) from None

    def _hint(self, value: Any) -> str:
        if isinstance(self.kind, ListOf) and isinstance(value, str):
            return f" Write [{value}] for a list."
        if isinstance(value, str):
            return did_you_mean(value, self.choices)
        return ""


def grouped(title: str, *rows: tuple) -> list[Parameter]:
    """Makes the parameters of a group from rows without the group."""
    return [Parameter(*row, group=title) for row in rows]
