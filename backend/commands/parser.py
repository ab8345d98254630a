"""The parser of all commands: a wrong call gets a line on what is wrong, and not a list of all options before it."""

import argparse
from collections.abc import Sequence
from difflib import get_close_matches
from typing import Any, NoReturn


class Parser(argparse.ArgumentParser):
    """Parses one command; its commands' parsers are of this class, too."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message}\nAll that it takes: {self.prog} --help\n")

    def parse_known_args(  # type: ignore[override]  # typeshed's overloads say no more than this
        self, args: Sequence[str] | None = None, namespace: Any = None
    ) -> tuple[Any, list[str]]:
        """Return what was parsed; whatever is unknown is an error of the command that was called, not of the first."""
        parsed, unknown = super().parse_known_args(args, namespace)
        if unknown:
            option = unknown[0].partition("=")[0]
            alike = get_close_matches(option, self._option_string_actions, n=1)
            self.error(f"there is no {' '.join(unknown)} here" + (f"; did you mean {alike[0]}?" if alike else "."))
        return parsed, unknown
