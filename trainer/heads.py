"""Auxiliary heads: they give the trunk more to learn from, and play no part in the game.

Shapes: ``B`` batch, ``A`` actions, ``C, H, W`` the trunk's output, ``N`` = H * W cells. The learner
owns them: a model file and the plan of a network know nothing of them. `trainer.targets` tells
what each is trained on.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from trainer.network import Network, cells, pooled
from trainer.targets import CELL_TARGETS, UNKNOWN

__all__ = ["AuxiliaryHeads"]


class AuxiliaryHeads(nn.Module):
    """One head for each of `names`, on the trunk of `network`.

    A head of cells says of each whether it is the player's own and whether it is the other's,
    two probabilities, since in most games it may be neither's.
    """

    def __init__(self, network: Network, names: Sequence[str]) -> None:
        super().__init__()
        channels, policy = network.config.channels, network.policy
        self._split = network.config.policy_channels
        self.by_name = nn.ModuleDict()
        for name in names:
            head: nn.Conv2d | nn.Linear
            if name == "reply":
                head = nn.Linear(policy.in_features, policy.out_features)
            elif name in CELL_TARGETS:
                head = nn.Conv2d(channels, 2, 1)
            else:
                head = nn.Linear(2 * channels, 1)
            nn.init.zeros_(head.weight)
            assert head.bias is not None
            nn.init.zeros_(head.bias)
            self.by_name[name] = head

    def forward(self, trunk: Tensor, features: Tensor) -> dict[str, Tensor]:
        """Answers from what `Network.features` gives.

        Returns
        -------
        Logits [B, 2, N] of each cell target (own, the other's), [B, A] of the reply; [B] numbers.
        """
        board = pooled(trunk)
        found = {}
        for name, head in self.by_name.items():
            if name == "reply":
                found[name] = head(torch.cat((cells(features[:, : self._split]), board), 1))
            elif name in CELL_TARGETS:
                found[name] = head(trunk).flatten(2)
            else:
                found[name] = head(board)[:, 0]
        return found

    @staticmethod
    def known(name: str, target: Tensor) -> Tensor:
        """[B] True where a sample has the target `name`."""
        if name == "reply":
            return target.sum(1) > 0
        return (target != UNKNOWN).all(1) if name in CELL_TARGETS else target.isfinite()

    @staticmethod
    def loss(name: str, answer: Tensor, target: Tensor) -> Tensor:
        """Sum of the losses of all samples that have the target `name`.

        Cross-entropy in nats: of a reply, and of a cell's two questions, mean over the cells.
        Numbers have Huber's loss (as in lc0, and KataGo's mean score).
        """
        answer = answer.float()
        if name == "reply":
            each = -(target * functional.log_softmax(answer, 1)).sum(1)
        elif name in CELL_TARGETS:
            asked = torch.stack((target == 1, target == -1), 1).float()
            each = functional.binary_cross_entropy_with_logits(answer, asked, reduction="none")
            each = each.sum(1).mean(1)
        else:
            each = functional.smooth_l1_loss(answer, target.nan_to_num(), reduction="none")
        return (each * AuxiliaryHeads.known(name, target)).sum()
