"""Every error that the engine and the trainer raise on purpose.

::

    EngineError
     +-- ConfigError (ValueError)       an option, key or combination that cannot be used
     +-- LayoutError (ValueError)       a shared segment of another version, game or size
     +-- RingError (RuntimeError)       a slot in a state that its protocol forbids
     +-- EvaluatorError (RuntimeError)  a network that cannot be loaded or gave no number
     +-- PoolError (RuntimeError)       a process that died too often, or would not start
     +-- ProfileError (RuntimeError)    a recording that could not be made
     +-- StoreError (RuntimeError)      a run folder, database or checkpoint that is damaged,
                                        foreign or of a newer version
"""

__all__ = [
    "ConfigError",
    "EngineError",
    "EvaluatorError",
    "LayoutError",
    "PoolError",
    "ProfileError",
    "RingError",
    "StoreError",
]


class EngineError(Exception):
    """Root of the tree; the command line turns it into one line and an exit code."""


class ConfigError(EngineError, ValueError):
    """An option, key or combination of them that cannot be used."""


class LayoutError(EngineError, ValueError):
    """A shared segment of another version, game or size."""


class RingError(EngineError, RuntimeError):
    """A slot in a state that the ring's protocol forbids."""


class EvaluatorError(EngineError, RuntimeError):
    """A network that cannot be loaded, or that answered with something not finite."""


class PoolError(EngineError, RuntimeError):
    """A process that died too often, or that would not start or stop."""


class ProfileError(EngineError, RuntimeError):
    """A recording that could not be made."""


class StoreError(EngineError, RuntimeError):
    """A run folder, database or checkpoint that is damaged, foreign or too new."""
