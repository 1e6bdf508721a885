"""A run's configuration: frozen sections, read strictly, free of torch.

Later layers win: defaults, then a preset, then ``--config`` files in order, then the command
line. `resolve` merges them and `to_toml` writes the result, which every run and checkpoint keeps.
The section of the search is `engine.config.SearchConfig`.
"""

from trainer.config.evaluation import EvaluationConfig
from trainer.config.layers import preset_names, resolve
from trainer.config.learning import LearnerConfig, NetworkConfig
from trainer.config.quantities import duration, megabytes
from trainer.config.run import BudgetConfig, CheckpointConfig, GameConfig, RunConfig
from trainer.config.selfplay import SelfplayConfig
from trainer.strict import options_text, to_toml

__all__ = [
    "BudgetConfig",
    "CheckpointConfig",
    "EvaluationConfig",
    "GameConfig",
    "LearnerConfig",
    "NetworkConfig",
    "RunConfig",
    "SelfplayConfig",
    "duration",
    "megabytes",
    "options_text",
    "preset_names",
    "resolve",
    "to_toml",
]
