"""Sequential halving at the root and the improved policy (drawn in gumbel.pxd)."""

cimport cython
from libc.math cimport fmax
from libc.stdint cimport int32_t
from libc.stdlib cimport free, malloc

from engine.rng cimport rng_t
from engine.tree cimport (
    NO_EDGE,
    RESULT_LOSS,
    ROOT,
    edge_t,
    node_t,
    tree_to_front,
    tree_t,
)
from games.base cimport Game, action_t


cdef improved_t improved_policy(const tree_t* tree, node_t node,
                                const sigma_t* sigma) noexcept nogil:
    """softmax(log P + sigma(q)) of a node whose prior is known.

    The unvisited edges all have the same q, so their prior's sum is enough: no scan of them.
    """
    cdef edge_t first = tree.first_edge[node], edge
    cdef edge_t end = first + tree.num_visited[node]
    cdef double visited_prior = 0.0, weighted = 0.0, n = tree.node_visits[node]
    cdef int32_t most = 0
    cdef improved_t improved
    improved.mix = tree.value[node]
    improved.peak = -1.0
    for edge in range(first, end):
        visited_prior += tree.prior[edge]
        weighted += tree.prior[edge] * completed_value(tree, edge, 0.0)
        most = max(most, tree.visits[edge])
        improved.peak = fmax(improved.peak, completed_value(tree, edge, 0.0))
    if end > first:
        improved.mix = (improved.mix + n * weighted / fmax(visited_prior, 1e-30)) / (1.0 + n)
    improved.gain = (sigma.c_visit + most) * sigma.c_scale / 2.0
    improved.total = 0.0
    if tree.num_visited[node] < tree.num_edges[node]:
        improved.peak = fmax(improved.peak, improved.mix)
        improved.total = (fmax(0.0, 1.0 - visited_prior)
                          * exp(improved.gain * (improved.mix - improved.peak)))
    for edge in range(first, end):
        improved.total += tree.prior[edge] * exp(
            improved.gain * (completed_value(tree, edge, 0.0) - improved.peak))
    improved.total = fmax(improved.total, 1e-300)
    return improved


cdef inline edge_t _root_edge(const tree_t* tree, action_t action) noexcept nogil:
    """The root's edge of a legal action."""
    cdef edge_t edge = tree.first_edge[ROOT]
    while tree.action[edge] != action:
        edge += 1
    return edge


@cython.final
cdef class GumbelRoot:
    """The plan of one root's simulations.

    Parameters
    ----------
    game
        Whose actions.
    config
        The `SearchConfig`.

    Visits that a kept subtree brought along do not count in the halving, which hands out the
    new simulations alone; but its values, and its visits in sigma, do.
    """

    def __cinit__(self, Game game not None, config not None):
        self.max_considered = config.gumbel_actions
        self.noise_scale = config.gumbel_scale
        self.sigma.c_visit = config.gumbel_c_visit
        self.sigma.c_scale = config.gumbel_c_scale
        self.interior = config.gumbel_interior
        self.considered = <action_t*>malloc(game.max_legal_actions * sizeof(action_t))
        self.kept = <int32_t*>malloc(game.num_actions * sizeof(int32_t))
        self.noise = <double*>malloc(game.num_actions * sizeof(double))
        self.scores = <double*>malloc(game.num_actions * sizeof(double))
        if (self.considered == NULL or self.kept == NULL or self.noise == NULL
                or self.scores == NULL):
            raise MemoryError(f"no memory for the scores of {game.num_actions} actions")

    def __dealloc__(self):
        free(self.considered)
        free(self.kept)
        free(self.noise)
        free(self.scores)

    cdef void begin(self, const tree_t* tree, int32_t budget, bint noisy,
                    rng_t stream) noexcept nogil:
        """Plan `budget` simulations of a root whose prior is known.

        Action a's noise is draw a of the stream, whatever the order of the edges.
        """
        cdef edge_t first = tree.first_edge[ROOT], edge
        cdef action_t action
        for edge in range(first, first + tree.num_edges[ROOT]):
            action = tree.action[edge]
            self.kept[action] = tree.visits[edge]
            self.noise[action] = 0.0
            if noisy:
                stream.counter = action
                self.noise[action] = self.noise_scale * next_gumbel(&stream)
        self.budget = budget
        self.num_phases = 1
        while 1 << self.num_phases < min(self.max_considered, tree.num_edges[ROOT]):
            self.num_phases += 1
        self.num_considered = 0
        self._consider(tree, self.max_considered)

    cdef edge_t next_edge(self, tree_t* tree, bint in_flight) noexcept nogil:
        """The root's edge of the next simulation.

        NO_EDGE: the next phase has to wait for the leaves that are in flight. An edge's first
        visit brings it to the front of the unvisited ones, where the tree expects it.
        """
        cdef edge_t edge
        while True:
            while self.next < self.num_considered:
                edge = _root_edge(tree, self.considered[self.next])
                self.next += 1
                if tree.result[edge] == RESULT_LOSS:
                    continue
                return edge if tree.visits[edge] > 0 else tree_to_front(tree, ROOT, edge)
            if self.rounds > 1:
                self.rounds -= 1
                self.next = 0
            elif in_flight:
                return NO_EDGE
            else:
                self._consider(tree, max(2, self.num_considered // 2))

    cdef void _consider(self, const tree_t* tree, int32_t most) noexcept nogil:
        """Begin a phase with the best of those considered, at most so many.

        What is proven lost leaves; when nothing is left, or at first, all other moves come in.
        """
        cdef edge_t first = tree.first_edge[ROOT], edge
        cdef int32_t num = 0, i, j, best
        cdef action_t action
        for i in range(self.num_considered):
            if tree.result[_root_edge(tree, self.considered[i])] != RESULT_LOSS:
                self.considered[num] = self.considered[i]
                num += 1
        if num == 0:
            most = self.max_considered
            for edge in range(first, first + tree.num_edges[ROOT]):
                if tree.result[edge] != RESULT_LOSS:
                    self.considered[num] = tree.action[edge]
                    num += 1
        self.score(tree)
        self.num_considered = min(num, most)
        for i in range(self.num_considered):
            best = i
            for j in range(i + 1, num):
                if self._scores_more(self.considered[j], self.considered[best]):
                    best = j
            action = self.considered[i]
            self.considered[i] = self.considered[best]
            self.considered[best] = action
        self.next = 0
        self.rounds = max(1, self.budget // (self.num_phases * max(1, self.num_considered)))

    cdef bint _scores_more(self, action_t action, action_t other) noexcept nogil:
        """Of equal scores the lower action counts as higher."""
        return self.scores[action] > self.scores[other] or (
            self.scores[action] == self.scores[other] and action < other)

    cdef void score(self, const tree_t* tree) noexcept nogil:
        """scores[a] = g(a) + log P(a) + sigma(q(a)) of the root's actions."""
        cdef improved_t improved = improved_policy(tree, ROOT, &self.sigma)
        cdef edge_t first = tree.first_edge[ROOT], edge
        for edge in range(first, first + tree.num_edges[ROOT]):
            self.scores[tree.action[edge]] = (
                self.noise[tree.action[edge]] + log_prior(tree, edge)
                + improved.gain * (completed_value(tree, edge, improved.mix) + 1.0))

    cdef bint is_better(self, const tree_t* tree, edge_t edge, edge_t other) noexcept nogil:
        """Whether a root edge is to be played rather than another: more new visits, then the
        higher score, which `score` has brought up to date."""
        cdef action_t a = tree.action[edge], b = tree.action[other]
        cdef int32_t more = (tree.visits[edge] - self.kept[a]) - (tree.visits[other] - self.kept[b])
        return more > 0 or (more == 0 and self._scores_more(a, b))

    cdef float value(self, const tree_t* tree) noexcept nogil:
        """What the root is worth under its improved policy, for the player to move there.

        Not the mean of the simulations: halving spends half of them on moves that it rejects.
        """
        cdef improved_t improved = improved_policy(tree, ROOT, &self.sigma)
        cdef edge_t first = tree.first_edge[ROOT], edge
        cdef double q, share, shares = 0.0, total = 0.0
        for edge in range(first, first + tree.num_edges[ROOT]):
            q = completed_value(tree, edge, improved.mix)
            share = improved_share(&improved, tree.prior[edge], q)
            shares += share
            total += share * q
        return <float>(total / fmax(shares, 1e-30))

    cdef edge_t select_inside(self, const tree_t* tree, node_t node) noexcept nogil:
        """The edge whose share of the visits lags most behind the improved policy (section 5).

        Of the unvisited edges the first has the highest prior and so the highest share.
        """
        cdef improved_t improved = improved_policy(tree, node, &self.sigma)
        cdef edge_t first = tree.first_edge[node], edge, best = first
        cdef edge_t end = first + min(tree.num_visited[node] + 1, tree.num_edges[node])
        cdef double visits = 1.0 + tree.node_visits[node], lag, most = -2.0
        for edge in range(first, end):
            if tree.result[edge] == RESULT_LOSS:
                continue
            lag = improved_share(&improved, tree.prior[edge],
                                 completed_value(tree, edge, improved.mix))
            lag -= tree.visits[edge] / visits
            if lag > most:
                most = lag
                best = edge
        return best
