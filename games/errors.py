"""Errors of the rules.

::

    GameError (ValueError)          an unknown game or option, a text that is no position
     +-- IllegalActionError         an action or move that is not legal where it was played
"""

__all__ = ["GameError", "IllegalActionError"]


class GameError(ValueError):
    """A game, an option or a position that does not exist."""


class IllegalActionError(GameError):
    """An action that is not legal in the position where it was played."""
