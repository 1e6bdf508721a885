"""The engine that a person names."""

from games.base import Game
from trainer.engines.base import ExternalEngine, parse_command
from trainer.engines.gtp import GtpEngine
from trainer.engines.uci import UciEngine

__all__ = ["external_engine"]

KINDS: dict[str, type[ExternalEngine]] = {"gtp": GtpEngine, "uci": UciEngine}


def external_engine(text: str, game: Game, *, move_s: float = 60.0) -> ExternalEngine:
    """The engine of ``uci:COMMAND`` or ``gtp:COMMAND``; it starts with its first move.

    Raises
    ------
    ConfigError
        If no program is named.
    """
    kind, _, command = text.partition(":")
    program, sayings = parse_command(command)
    return KINDS[kind](text, program, sayings, game, move_s=move_s)
