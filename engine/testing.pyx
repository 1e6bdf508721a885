"""Inner functions of the engine, called from Python: for tests alone, nothing else uses them.

Random streams, one side of a ring step by step, the cache, and the order of a node's edges. Nothing
is checked here that the functions do not check themselves.
"""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint64_t
from libc.string cimport memcpy

import numpy as np

from engine.cache cimport Cache, cache_key
from engine.ring cimport Ring
from engine.rng cimport next_below, next_gamma, next_normal, next_uniform, next_word, rng_for, rng_t
from engine.search cimport Search
from engine.segment cimport Segment
from engine.softmax cimport exp_below_zero
from engine.symmetry cimport Canonical
from engine.tree cimport NODE_WAITING, Tree, tree_add_node, tree_best_first

__all__ = [
    "WorkerSide", "best_first", "cache_find", "cache_store", "canonical_image", "draw",
    "policy_target", "softmax_exp", "turned_back",
]


def draw(str kind not None, int count, *, uint64_t seed=0, uint64_t game=0, uint64_t ply=0,
         uint64_t purpose=1, double parameter=1.0):
    """The first `count` draws of a stream.

    Parameters
    ----------
    kind
        ``word`` (uint64), ``uniform``, ``normal``, ``gamma`` of shape `parameter`, or ``below``
        `parameter`.
    """
    cdef rng_t rng = rng_for(seed, game, ply, purpose)
    if kind == "word":
        return [next_word(&rng) for _ in range(count)]
    if kind == "uniform":
        return [next_uniform(&rng) for _ in range(count)]
    if kind == "normal":
        return [next_normal(&rng) for _ in range(count)]
    if kind == "gamma":
        return [next_gamma(&rng, parameter) for _ in range(count)]
    if kind == "below":
        return [next_below(&rng, <uint64_t>parameter) for _ in range(count)]
    raise ValueError(f"kind must be word, uniform, normal, gamma or below, got {kind!r}")


def softmax_exp(float[::1] values not None):
    """exp of numbers <= 0 as the search computes it."""
    cdef Py_ssize_t i
    result = np.empty(values.shape[0], np.float32)
    cdef float[::1] out = result
    for i in range(values.shape[0]):
        out[i] = exp_below_zero(values[i])
    return result


def best_first(list priors not None, list actions not None, int num_visited):
    """The actions of a node's edges after `tree_best_first`, the first `num_visited` visited."""
    cdef Tree tree = Tree(1, len(priors))
    cdef int i
    tree_add_node(&tree.columns, 0, NODE_WAITING)
    tree.columns.num_edges[0] = len(priors)
    tree.columns.num_visited[0] = num_visited
    for i in range(len(priors)):
        tree.columns.prior[i] = priors[i]
        tree.columns.action[i] = actions[i]
    tree_best_first(&tree.columns, 0)
    return [tree.columns.action[i] for i in range(len(priors))]


def cache_store(Cache cache not None, uint64_t position, float[::1] policy_logits not None,
                float[::1] wdl_logits not None, *, uint64_t model=0, uint64_t generation=0):
    """Keep an answer for the position of that hash."""
    cache.store(cache_key(position, model, generation), generation,
                &policy_logits[0], &wdl_logits[0])


def cache_find(Cache cache not None, uint64_t position, *, uint64_t model=0,
               uint64_t generation=0):
    """(policy logits [A], win/draw/loss logits [3]) of the position of that hash, or None."""
    if not cache.find(cache_key(position, model, generation)):
        return None
    policy = np.empty(cache.num_actions, np.float32)
    wdl = np.empty(3, np.float32)
    cdef float[::1] policy_view = policy
    cdef float[::1] wdl_view = wdl
    memcpy(&policy_view[0], cache.policy_logits, cache.num_actions * sizeof(float))
    memcpy(&wdl_view[0], cache.wdl_logits, 3 * sizeof(float))
    return policy, wdl


def canonical_image(Canonical canonical not None, const uint8_t[::1] observation not None):
    """(hash, symmetry, image [observation_bytes]) of a packed observation."""
    cdef int32_t symmetry
    image = np.empty(canonical.game.observation_bytes, np.uint8)
    cdef uint8_t[::1] view = image
    memcpy(canonical.observation, &observation[0], canonical.game.observation_bytes)
    found = canonical.hash_c(&symmetry)
    canonical.image_c(symmetry, &view[0])
    return found, symmetry, image


def turned_back(Canonical canonical not None, const float[::1] policy_logits not None,
                int32_t symmetry):
    """The logits [A] of the position whose image of that symmetry has `policy_logits`."""
    cdef Py_ssize_t num = canonical.game.num_actions
    cdef const float* found = canonical.turned_back(&policy_logits[0], symmetry)
    return np.array([found[i] for i in range(num)], np.float32)


def policy_target(Search search not None):
    """(weight by action, surprise in nats) that the finished search would write to its game."""
    actions = np.empty(search.game.max_legal_actions, np.int32)
    weights = np.empty(search.game.max_legal_actions, np.float32)
    cdef int32_t[::1] action_view = actions
    cdef float[::1] weight_view = weights
    cdef int num = search.policy_target(&action_view[0], &weight_view[0])
    surprise = search.surprise(&action_view[0], &weight_view[0], num)
    return dict(zip(actions[:num].tolist(), weights[:num].tolist(), strict=True)), surprise


cdef class WorkerSide:
    """The worker's side of a ring, one step of its protocol a call."""

    cdef readonly Ring ring

    def __init__(self, Segment segment not None, int worker=0, int model=0, double spin_us=0):
        self.ring = Ring(segment, worker, model, spin_us)

    def can_fill(self):
        """Whether the next ticket's slot is free."""
        return self.ring.can_fill() != 0

    def fill(self, bytes row not None):
        """Write an observation into the next slot; return its ticket. Not yet handed over."""
        cdef uint64_t ticket = self.ring.filled
        if len(row) != self.ring.observation_bytes:
            raise ValueError(f"row must be {self.ring.observation_bytes} bytes, got {len(row)}")
        memcpy(self.ring.observation(ticket), <const char*>row, len(row))
        self.ring.filled = ticket + 1
        return ticket

    def publish(self):
        """Hand over every filled slot."""
        self.ring.publish()

    def is_answered(self, uint64_t ticket):
        """Whether the results of `ticket` are there."""
        return bool(self.ring.is_answered(ticket))

    def wait_answered(self, uint64_t ticket, double timeout_s):
        """Wait for them; False if they do not come in time."""
        cdef int64_t timeout_ns = <int64_t>(timeout_s * 1e9)
        cdef bint answered
        with nogil:
            answered = self.ring.wait_answered(ticket, timeout_ns)
        return bool(answered)

    def results(self, uint64_t ticket):
        """(policy_logits [A], wdl_logits [3]) of `ticket`, copied."""
        cdef Py_ssize_t num = self.ring.num_actions
        return (np.array(<float[:num]>self.ring.policy(ticket)),
                np.array(<float[:3]>self.ring.wdl(ticket)))

    def release(self, uint64_t ticket):
        """Forget all tickets below `ticket`."""
        self.ring.release(ticket)

    @property
    def published(self):
        """Tickets handed over."""
        return self.ring.control.published

    @property
    def released(self):
        """Tickets forgotten."""
        return self.ring.control.released

    @property
    def taken(self):
        """Tickets that the inference side has taken."""
        return self.ring.control.taken
