"""What every game promises, checked by playing it.

The search relies on these promises without looking: a game that breaks one trains on nonsense
instead of failing. A plug-in's tests should call `check_game`; `ringzero check-game` does.
"""

from games.contract.doctor import Report, check_game
from games.contract.promises import PROMISES
from games.contract.view import ContractError

__all__ = ["PROMISES", "ContractError", "Report", "check_game"]
