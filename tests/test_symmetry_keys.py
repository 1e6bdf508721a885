"""Canonical images: mirror images ask one question, and each gets its own answer."""

import random
from collections.abc import Iterator

import numpy as np
import pytest

import games
from engine.symmetry import Canonical
from engine.testing import canonical_image, turned_back
from games import Game

CONNECT4 = games.make("connect4")
TICTACTOE = games.make("tictactoe")


class Turning(Game):
    """No rules: words, scalars, and `num` shifts around a cylinder, a divisor of 12."""

    def __init__(self, num: int) -> None:
        self.shifts = range(0, 12, 12 // num)
        super().__init__(
            "turning", num_actions=12, board_shape=(12, 12), num_planes=3, num_scalars=3,
            max_game_length=1,
        )  # fmt: skip

    def symmetries(self) -> tuple[np.ndarray, np.ndarray]:
        cells = np.arange(144).reshape(12, 12)
        actions = np.arange(12)
        return (
            np.stack([np.roll(cells, s, axis=1).ravel() for s in self.shifts]).astype(np.int32),
            np.stack([np.roll(actions, s) for s in self.shifts]).astype(np.int32),
        )

    def random_observation(self, rng: np.random.Generator) -> np.ndarray:
        planes = np.zeros((3, 192), np.uint8)
        planes[:, :144] = rng.random((3, 144)) < rng.random()
        packed = np.packbits(planes, bitorder="little")
        scalars = np.array([*rng.normal(size=3), 0], "<f4").view(np.uint8)
        return np.concatenate([packed, scalars])


def images(game: Game, packed: np.ndarray) -> Iterator[np.ndarray]:
    """All images of a packed observation, straight from the contract's words."""
    plane_bytes = 8 * game.num_planes * game.words_per_plane
    bits = np.unpackbits(packed[:plane_bytes], bitorder="little").reshape(game.num_planes, -1)
    for cells in game.symmetries()[0]:
        turned = bits.copy()
        turned[:, : len(cells)] = bits[:, cells]
        yield np.concatenate([np.packbits(turned, bitorder="little"), packed[plane_bytes:]])


def positions(game: Game, num: int, seed: int = 0) -> list[np.ndarray]:
    """Different packed observations from random games."""
    rng = random.Random(seed)
    found: dict[bytes, np.ndarray] = {}
    while len(found) < num:
        state = game.initial_state()
        while not state.is_terminal():
            packed = state.packed_observation()
            found[packed.tobytes()] = packed
            state.apply_action(rng.choice(state.get_legal_actions()))
    return list(found.values())[:num]


def samples(game: Game) -> list[np.ndarray]:
    if isinstance(game, Turning):
        rng = np.random.default_rng(1)
        return [game.random_observation(rng) for _ in range(100)]
    return positions(game, 300)


GAMES = [CONNECT4, TICTACTOE, *(Turning(num) for num in (1, 2, 6, 12))]


@pytest.mark.parametrize("game", GAMES, ids=lambda g: f"{g.name}-{len(g.symmetries()[0])}")
def test_all_images_of_a_position_have_one_key_and_one_canonical_image(game: Game) -> None:
    canonical = Canonical(game)
    assert canonical.num_symmetries == len(game.symmetries()[0])
    for packed in samples(game):
        own = list(images(game, packed))
        key, symmetry, image = canonical_image(canonical, packed)
        np.testing.assert_array_equal(image, own[symmetry])
        for other in own:
            assert canonical_image(canonical, other)[0] == key
            np.testing.assert_array_equal(canonical_image(canonical, other)[2], image)


@pytest.mark.parametrize("game", GAMES, ids=lambda g: f"{g.name}-{len(g.symmetries()[0])}")
def test_logits_of_an_image_go_back_to_the_actions_they_are_about(game: Game) -> None:
    canonical = Canonical(game)
    of_image = np.random.default_rng(2).normal(size=game.num_actions).astype(np.float32)
    for symmetry, actions in enumerate(game.symmetries()[1]):
        own = np.empty_like(of_image)
        own[actions] = of_image  # action i of the image is what actions[i] was
        np.testing.assert_array_equal(turned_back(canonical, of_image, symmetry), own)


def test_different_positions_have_different_keys() -> None:
    for game in (CONNECT4, TICTACTOE):
        canonical = Canonical(game)
        keys: dict[int, bytes] = {}
        for packed in positions(game, 20_000 if game is CONNECT4 else 4_000):
            key, _, image = canonical_image(canonical, packed)
            assert keys.setdefault(key, image.tobytes()) == image.tobytes()
        assert len(keys) > (9_000 if game is CONNECT4 else 500)


@pytest.mark.parametrize("num", [1, 2, 6])
def test_every_bit_and_every_scalar_is_in_the_key(num: int) -> None:
    game = Turning(num)
    canonical = Canonical(game)
    packed = game.random_observation(np.random.default_rng(3))
    seen = {canonical_image(canonical, packed)[0]}
    bits = [192 * plane + cell for plane in range(3) for cell in range(144)]
    scalars = range(8 * 72, 8 * 84)
    for bit in [*bits, *scalars]:
        changed = packed.copy()
        changed[bit // 8] ^= 1 << bit % 8
        seen.add(canonical_image(canonical, changed)[0])
    assert len(seen) == 1 + len(bits) + len(scalars)


def test_without_it_a_position_is_its_own_image() -> None:
    canonical = Canonical(CONNECT4, False)
    assert canonical.num_symmetries == 1
    keys = set()
    for packed in positions(CONNECT4, 500):
        key, symmetry, image = canonical_image(canonical, packed)
        assert symmetry == 0
        np.testing.assert_array_equal(image, packed)
        keys.add(key)
    assert len(keys) == 500
