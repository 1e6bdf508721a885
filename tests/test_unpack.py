"""engine.unpack and engine.pooling against numpy."""

import numpy as np
import pytest
import torch

from engine.pooling import add_bias, pool_cells
from engine.unpack import unpack_nchw, unpack_nhwc
from games import Game

SHAPES = [((6, 7), 2, 0), ((8, 8), 3, 1), ((9, 9), 5, 2), ((3, 3), 1, 3), ((19, 19), 4, 0)]


def packed_rows(game: Game, rows: int) -> np.ndarray:
    rng = np.random.default_rng(0)
    shape = (rows, game.num_planes, 64 * game.words_per_plane)
    bits = rng.integers(0, 2, shape, dtype=np.uint8)
    bits[:, :, game.rows * game.columns :] = 0
    packed = np.zeros((rows, game.observation_bytes), np.uint8)
    planes = np.packbits(bits.reshape(rows, -1), axis=1, bitorder="little")
    packed[:, : planes.shape[1]] = planes
    scalars = rng.uniform(-2, 2, (rows, game.num_scalars)).astype("<f4")
    packed[:, planes.shape[1] : planes.shape[1] + 4 * game.num_scalars] = scalars.view(np.uint8)
    return packed


def bf16_bits(x: np.ndarray) -> np.ndarray:
    return torch.from_numpy(x).to(torch.bfloat16).contiguous().view(torch.uint16).numpy()


@pytest.mark.parametrize(("board", "planes", "scalars"), SHAPES)
def test_both_layouts_and_types_agree_with_the_games_own_unpacking(board, planes, scalars):
    game = Game("any", num_actions=1, board_shape=board, num_planes=planes, num_scalars=scalars,
                max_game_length=1)  # fmt: skip
    packed = packed_rows(game, 5)
    expected = game.unpack(packed).reshape(5, planes + scalars, -1)
    cells = board[0] * board[1]
    for dtype, convert in ((np.float32, lambda x: x), (np.uint16, bf16_bits)):
        nchw = np.full((6, planes + scalars, cells), 7, dtype)
        unpack_nchw(packed, planes, scalars, nchw)
        np.testing.assert_array_equal(nchw[:5], convert(expected))
        nhwc = np.full((6, cells, planes + scalars), 7, dtype)
        unpack_nhwc(packed, planes, scalars, nhwc)
        np.testing.assert_array_equal(nhwc[:5], convert(expected.transpose(0, 2, 1)))
        assert (nchw[5] == 7).all() and (nhwc[5] == 7).all()


def test_no_rows_change_nothing():
    out = np.ones((0, 42, 2), np.float32)
    unpack_nhwc(np.zeros((0, 16), np.uint8), 2, 0, out)


def test_wrong_shapes_are_named():
    packed = np.zeros((3, 16), np.uint8)
    with pytest.raises(ValueError, match="24 bytes a row"):
        unpack_nhwc(packed, 3, 0, np.zeros((3, 42, 3), np.float32))
    with pytest.raises(ValueError, match="out must have >= 3 rows of 2 channels"):
        unpack_nhwc(packed, 2, 0, np.zeros((2, 42, 2), np.float32))
    with pytest.raises(ValueError, match="out must have"):
        unpack_nchw(packed, 2, 0, np.zeros((3, 3, 42), np.float32))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_pooling_and_bias_agree_with_torch(dtype):
    x = torch.randn(4, 42, 24, generator=torch.Generator().manual_seed(0)).to(dtype)
    bias = torch.linspace(-1, 1, 96).reshape(4, 24)
    view = (x.view(torch.uint16) if dtype == torch.bfloat16 else x).numpy()
    out = np.empty((4, 48), np.float32)
    pool_cells(view, out)
    expected = torch.cat((x.float().mean(1), x.float().amax(1)), 1)
    np.testing.assert_allclose(out, expected.numpy(), rtol=1e-5, atol=1e-6)
    expected = (x.float() + bias[:, None]).to(dtype)
    add_bias(view, bias.numpy())
    torch.testing.assert_close(x, expected, rtol=0, atol=0)


def test_pooling_refuses_other_shapes():
    x = np.zeros((2, 9, 4), np.float32)
    with pytest.raises(ValueError, match=r"out must be \[2, 8\]"):
        pool_cells(x, np.zeros((2, 4), np.float32))
    with pytest.raises(ValueError, match=r"bias must be \[2, 4\]"):
        add_bias(x, np.zeros((1, 4), np.float32))
