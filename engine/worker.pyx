"""A worker's games: search, move, record, through the rings (drawn in worker.pxd).

A worker process runs `Worker.run`; serial mode calls `Worker.step`. Neither imports torch.
"""

from libc.math cimport pow
from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc

from engine.atomic cimport add32, compare_swap64, fence, futex_wait, futex_wake, load32
from engine.atomic cimport load64, now_ns, prefetch, store32
from engine.cache cimport Cache, cache_key
from engine.ending cimport (
    ENDING_CUT_OFF,
    ENDING_NONE,
    ENDING_PROVEN,
    ENDING_REANALYSED,
    ENDING_RESIGNED,
    ENDING_RULES,
    early_t,
    first_resignation,
    gives_up,
    is_played_on,
    is_proven_end,
    is_reanalysed,
)
from engine.endgame cimport first_ply
from engine.inflight cimport InFlight
from engine.journal cimport JOURNAL_FINISHED, JOURNAL_FREE, JOURNAL_PLAYING, Journal
from engine.local cimport LocalRollout, LocalUniform
from engine.ring cimport Ring
from engine.rng cimport (
    PURPOSE_CAP,
    PURPOSE_ENDGAME,
    PURPOSE_MOVE,
    PURPOSE_NOISE,
    PURPOSE_RANDOM,
    PURPOSE_START,
    next_below,
    next_uniform,
    rng_for,
    rng_t,
)
from engine.search cimport Search
from engine.segment cimport (
    COUNT_CACHE_HITS,
    COUNT_CACHE_LOOKUPS,
    COUNT_DEPTH,
    COUNT_EVALUATIONS,
    COUNT_FULL_STOPS,
    COUNT_GAMES,
    COUNT_PLIES,
    COUNT_SHARED,
    COUNT_SIMULATIONS,
    COUNT_WAIT_NS,
    Segment,
)
from engine.symmetry cimport Canonical
from engine.tree cimport RESULT_UNKNOWN
from games.base cimport Game, action_t

from engine.player import PlayerSpec
from engine.starts import Start, StartTable

cdef int64_t BEAT_NS = 100_000_000      # a waiting worker shows a sign of life this often
cdef int AHEAD = 2                      # games between asking for memory and reading it


cdef class Player:
    """A `PlayerSpec` made ready for one worker."""

    def __cinit__(self, spec, Segment segment, int worker, Game game, uint64_t seed,
                  double spin_us):
        config = spec.search
        self.config = config
        if spec.kind == "network":
            self.kind = PLAYER_NETWORK
            self.model = spec.model
            self.server = segment.spec.server(worker, spec.model)
            self.ring = Ring(segment, worker, spec.model, spin_us)
        elif spec.kind == "random":
            self.kind = PLAYER_RANDOM
        else:
            self.kind = PLAYER_LOCAL
            self.evaluator = LocalRollout(game, seed) if spec.kind == "rollout" else LocalUniform()
        self.early = _early(config)
        self.num_simulations = config.num_simulations
        self.progress = 1.0
        self.fast_simulations = config.fast_simulations
        self.full_fraction = config.full_fraction
        self.full_plies = config.full_plies
        self.temperature = config.temperature
        self.final_temperature = config.final_temperature
        self.temperature_plies = config.temperature_plies
        self.root_policy_temperature = config.root_policy_temperature
        self.final_root_policy_temperature = config.final_root_policy_temperature
        self.endgame_from = -1
        if config.endgame_nodes:
            self.endgame_from = first_ply(game, config.endgame_from)
        self.endgame_fraction = config.endgame_fraction
        self.noise = config.dirichlet_fraction > 0
        self.noise_always = config.gumbel_actions > 0 and config.gumbel_scale > 0


cdef class GameSlot:
    """One of a worker's games."""

    def __cinit__(self, Worker worker, int leaves, GameSlot template=None):
        self.leaves = <leaf_t*>malloc(leaves * sizeof(leaf_t))
        if self.leaves == NULL:
            raise MemoryError(f"no memory for {leaves} leaves")
        self.first = _search(worker, worker.first, None if template is None else template.first)
        self.second = self.first
        if worker.is_match:
            self.second = _search(worker, worker.second,
                                  None if template is None else template.second)

    def __dealloc__(self):
        free(self.leaves)


cdef Search _search(Worker worker, Player player, Search spare):
    # A random player's search only follows the game.
    return Search(worker.game, player.config, 2 if player.kind == PLAYER_RANDOM else None, spare,
                  arena_bytes=worker.arena_bytes)


cdef inline double _fallen(double temperature, double final, Player player,
                           int32_t ply) noexcept nogil:
    """A temperature after so many plies: its distance from the final one halves, if at all."""
    if player.temperature_plies == 0:
        return temperature
    return final + (temperature - final) * pow(0.5, <double>ply / player.temperature_plies)


cdef early_t _early(config):
    """How a player may end games early."""
    cdef early_t early
    early.when_proven = config.end_when_proven
    early.resign_value = config.resign_value
    early.resign_plies = config.resign_plies
    early.resign_playout = config.resign_playout
    return early


cdef double _arena_bytes(double memory_mb, players, int games):
    """An equal share for every game's tree and every searching player's spare arena."""
    arenas = sum(games + p.search.reuse_tree for p in players if p.kind != "random")
    return memory_mb * 1e6 / max(1, arenas)


cdef class Worker:
    """Plays games into journals.

    Parameters
    ----------
    segment
        The mapping.
    index
        Of the worker; it is also that of its process block.
    game
        Rules.
    players
        One `PlayerSpec` for self-play, two for a match. In a match, game n starts from opening
        n // 2, and the players change seats in every odd game.
    games
        How many are in progress at once.
    seed
        The run's.
    openings
        Lists of actions to start from; none: the initial position. In self-play, a share of the
        games starts from the segment's tables instead, if there are any: see `engine.starts`.
    plies_per_game
        Stop a game after so many searched plies; 0: play to the end.
    spin_us
        Microseconds to spin for an answer before sleeping.
    memory_mb
        Megabytes of all search trees together, each tree's share equal; 0: the configs say.
    canonical
        Ask about the canonical image of a position: see symmetry.pxd.
    begin_anew
        Play a dead predecessor's games from their first ply, instead of going on from their last
        one without their trees: they come out as they would have without its death.
    """

    def __init__(self, Segment segment not None, int index, Game game not None, players, int games,
                 uint64_t seed=0, openings=(), int plies_per_game=0, double spin_us=0,
                 double memory_mb=0, bint canonical=True, bint begin_anew=False):
        if len(players) not in (1, 2) or not all(isinstance(p, PlayerSpec) for p in players):
            raise ValueError(f"players must be one or two PlayerSpecs, got {players!r}")
        self.segment = segment
        self.index = index
        self.game = game
        self.seed = seed
        self.num_slots = games
        self.control = segment.control()
        self.process = segment.process(index)
        self.is_match = len(players) == 2
        ready = [Player(p, segment, index, game, seed, spin_us) for p in players]
        self.first, self.second = ready[0], ready[len(ready) - 1]
        self.rings = [(<Player>p).ring for p in ready if (<Player>p).kind == PLAYER_NETWORK]
        self.canonical = Canonical(game, canonical)
        self.cache = Cache(segment)
        self.openings = [list(opening) for opening in openings]
        if self.openings and max(map(len, self.openings)) > segment.spec.max_plies:
            raise ValueError(f"an opening must have <= {segment.spec.max_plies} plies")
        self.starts = self.reanalyses = None
        if segment.spec.num_starts and not self.is_match:
            self.starts = StartTable(segment)
        if segment.spec.num_reanalyses and not self.is_match:
            self.reanalyses = StartTable(segment, "reanalyses")
        self.plies_per_game = plies_per_game
        self.begin_anew = begin_anew
        per_worker = segment.spec.journals_per_worker
        self.journals = [Journal(segment, index * per_worker + i) for i in range(per_worker)]
        self.arena_bytes = _arena_bytes(memory_mb, players, games)
        leaves = max(p.search.leaves_in_flight for p in players)
        self.in_flight = InFlight(games * leaves)
        self.slots = []
        for _ in range(games):
            self.slots.append(GameSlot(self, leaves, self.slots[0] if self.slots else None))
        self.slot_pointers = <void**>malloc(games * sizeof(void*))
        self.actions = <action_t*>malloc(game.max_legal_actions * sizeof(action_t))
        if self.slot_pointers == NULL or self.actions == NULL:
            raise MemoryError(f"no memory for {games} games")
        for i, slot in enumerate(self.slots):
            self.slot_pointers[i] = <void*>slot
        segment.beat(index)
        self._recover()

    def __dealloc__(self):
        free(self.slot_pointers)
        free(self.actions)

    # -- the life of a worker -------------------------------------------------------------

    def run(self):
        """Play until the segment says stop."""
        cdef int group = 0, leaves, idle = 0
        while not load32(&self.control.stop):
            # What the cache answers needs no server, but a pause is for everybody.
            if not load32(&self.segment.model(0).paused):
                leaves = self.step(group, True)
                group ^= 1
                idle = 0 if leaves > 0 else idle + 1
            else:
                self.segment.beat(self.index)
                idle = 2
            if idle >= 2:
                # Nothing to play: all games are handed out, or the parent is behind.
                with nogil:
                    futex_wait(&self.control.stop, 0, BEAT_NS // 10)

    def step(self, int group, bint wait=True):
        """One round of one half of the games; returns how many leaves are now in flight.

        The halves must take turns. Without `wait`, returns -1 and does nothing if an answer is
        outstanding.
        """
        cdef int start = 0 if group == 0 else (self.num_slots + 1) // 2
        cdef int end = (self.num_slots + 1) // 2 if group == 0 else self.num_slots
        cdef int i, leaves = 0
        cdef Ring ring
        self.segment.beat(self.index)
        for i in range(len(self.rings)):
            if not self._wait(group, i, wait):
                return -1
        with nogil:
            for i in range(start, end):
                if i + AHEAD < end:
                    self._prefetch(<GameSlot>self.slot_pointers[i + AHEAD])
                leaves += self._play(<GameSlot>self.slot_pointers[i])
        for i in range(len(self.rings)):
            ring = self.rings[i]
            ring.release(self.group_first[group][i])
            self.group_first[group][i] = ring.control.published
            self.group_end[group][i] = ring.filled
            self.process.counters[COUNT_EVALUATIONS] += ring.filled - ring.control.published
            ring.publish()
        return leaves

    cdef bint _wait(self, int group, int index, bint wait) except -1:
        """Wait until the answers to the group's tickets, and to all before them, are there."""
        cdef Ring ring = self.rings[index]
        cdef uint64_t ticket = ring.waited, end = self.group_end[group][index]
        cdef int64_t start = now_ns()
        while True:
            with nogil:
                while ticket < end and ring.wait_answered(ticket, BEAT_NS if wait else 0):
                    ticket += 1
            if ticket == end:
                break
            if not wait or load32(&self.control.stop):
                return False
            self.segment.beat(self.index)
        ring.waited = end
        self.process.counters[COUNT_WAIT_NS] += now_ns() - start
        return True

    cdef int _play(self, GameSlot slot) except -1 nogil:
        """Take a game's answers and go on until it waits again; returns its leaves in flight."""
        cdef bint started
        if slot.in_flight:
            self._scatter(slot)
        while True:
            if not slot.playing:
                with gil:
                    started = self._start(slot)
                if not started:
                    return 0
            self._advance(slot)
            if slot.in_flight:
                return slot.in_flight

    cdef void _prefetch(self, GameSlot slot) noexcept nogil:
        """Ask for the memory that `_play` is about to read: with many games it is far away."""
        if self._mover_is_second(slot):
            self._prefetch_of(slot, slot.second, self.second)
        else:
            self._prefetch_of(slot, slot.first, self.first)

    cdef void _prefetch_of(self, GameSlot slot, Search search, Player player) noexcept nogil:
        cdef int32_t k
        for k in range(slot.in_flight):
            prefetch(player.ring.policy(slot.leaves[k].ticket))
            prefetch(player.ring.wdl(slot.leaves[k].ticket))
            search.prefetch_leaf(slot.leaves[k].index)

    cdef int _scatter(self, GameSlot slot) except -1 nogil:
        """Step 3 of every leaf in flight: from the slots back to the tree, and into the cache."""
        if self._mover_is_second(slot):
            return self._scatter_to(slot, slot.second, self.second)
        return self._scatter_to(slot, slot.first, self.first)

    cdef int _scatter_to(self, GameSlot slot, Search search, Player player) except -1 nogil:
        cdef uint64_t generation = self._generation(player)
        cdef const leaf_t* leaf
        cdef const float* policy_logits
        cdef const float* wdl_logits
        cdef int32_t k
        for k in range(slot.in_flight):
            leaf = &slot.leaves[k]
            assert player.ring.is_answered(leaf.ticket)
            policy_logits = player.ring.policy(leaf.ticket)
            wdl_logits = player.ring.wdl(leaf.ticket)
            if slot.generation == generation:
                # Otherwise new weights came between question and answer: whose it is, is unknown.
                self.cache.store(leaf.key, generation, policy_logits, wdl_logits)
            self._answer(search, leaf, policy_logits, wdl_logits)
        slot.in_flight = 0
        return 0

    cdef int _answer(self, Search search, const leaf_t* leaf, const float* policy_logits,
                     const float* wdl_logits) except -1 nogil:
        """Hand the answer to a leaf's image to the leaf."""
        return search.scatter_logits(
            leaf.index, self.canonical.turned_back(policy_logits, leaf.symmetry), wdl_logits)

    cdef uint64_t _generation(self, Player player) noexcept nogil:
        """Of the weights that answer the player."""
        return load64(&self.segment.model(player.server).loaded)

    cdef early_t* _early_of(self, GameSlot slot, int32_t ply) noexcept nogil:
        """How the player of `ply` may end the game."""
        if self.is_match and ply >= 0 and (slot.journal.players[ply] == 1) != slot.swapped:
            return &self.second.early
        return &self.first.early

    cdef bint _mover_is_second(self, GameSlot slot) noexcept nogil:
        """Whether player 1 of the match is to move (in self-play both are player 0)."""
        return self.is_match and (slot.first.root.current_player_c() == 1) != slot.swapped

    cdef int _advance(self, GameSlot slot) except -1 nogil:
        """Search and move until leaves are in flight or the game is over."""
        while slot.playing:
            if self._mover_is_second(slot):
                self._gather(slot, slot.second, self.second)
                self._count(slot.second)
            else:
                self._gather(slot, slot.first, self.first)
                self._count(slot.first)
            if slot.in_flight:
                return 0
            self._make_move(slot)
        return 0

    cdef int _gather(self, GameSlot slot, Search search, Player player) except -1 nogil:
        """Search on; every leaf that needs the network goes into a slot of the ring."""
        cdef leaf_t* leaf
        cdef int index
        cdef uint64_t position
        if player.kind == PLAYER_RANDOM:
            return 0
        if player.kind == PLAYER_LOCAL:
            return search.run_local(player.evaluator)
        slot.generation = self._generation(player)
        while True:
            index = search.gather()
            if index < 0:
                return 0
            leaf = &slot.leaves[slot.in_flight]
            leaf.index = index
            search.state.observe_c(<uint8_t*>self.canonical.observation)
            position = self.canonical.hash_c(&leaf.symmetry)
            if self.cache.num_entries:
                # The device never sees a position that the cache knows or that is in flight.
                leaf.key = cache_key(position, player.model, slot.generation)
                self.process.counters[COUNT_CACHE_LOOKUPS] += 1
                if self.cache.find(leaf.key):
                    self.process.counters[COUNT_CACHE_HITS] += 1
                    self._answer(search, leaf, self.cache.policy_logits, self.cache.wdl_logits)
                    continue
                if self.in_flight.find(leaf.key, player.ring.waited, &leaf.ticket):
                    self.process.counters[COUNT_SHARED] += 1
                    slot.in_flight += 1
                    continue
                self.in_flight.add(leaf.key, player.ring.filled)
            assert player.ring.can_fill()
            leaf.ticket = player.ring.filled
            self.canonical.image_c(leaf.symmetry, player.ring.observation(leaf.ticket))
            player.ring.filled += 1
            slot.in_flight += 1

    cdef void _count(self, Search search) noexcept nogil:
        """Into the shared counters now and not at the move's end: games move in waves."""
        self.process.counters[COUNT_SIMULATIONS] += search.num_simulations
        self.process.counters[COUNT_DEPTH] += search.sum_depths
        self.process.counters[COUNT_FULL_STOPS] += search.num_full_stops
        search.num_simulations = 0
        search.sum_depths = 0
        search.num_full_stops = 0

    # -- games ----------------------------------------------------------------------------

    cdef bint _start(self, GameSlot slot) except -1:
        """Start the next game in `slot`; False if there is none, or no free journal."""
        cdef uint64_t number = load64(&self.control.next_game)
        cdef Journal journal
        cdef int i, num = len(self.journals)
        if number >= load64(&self.control.game_limit):
            return False
        for i in range(num):
            journal = self.journals[(self.next_journal + i) % num]
            if load32(&journal.header.state) == JOURNAL_FREE:
                break
        else:
            return False
        self.next_journal = (self.next_journal + i + 1) % num
        while not compare_swap64(&self.control.next_game, number, number + 1):
            number = load64(&self.control.next_game)
            if number >= load64(&self.control.game_limit):
                return False
        journal.header.number = number
        journal.header.num_plies = 0
        journal.header.generation = 0
        if self.rings:
            journal.header.generation = self._generation(self.first)
        # Once the game is in progress, a successor finds here where it begins.
        opening = self._opening(number)
        journal.header.num_opening = len(opening.actions)
        for i, action in enumerate(opening.actions):
            journal.actions[i] = action
        journal.header.one_ply = opening.returns is not None
        if opening.returns is not None:
            journal.header.returns[0], journal.header.returns[1] = opening.returns
        store32(&journal.header.state, JOURNAL_PLAYING)
        self._enter(slot, journal)
        return True

    cdef object _opening(self, uint64_t number):
        """The `Start` that the game begins with, which its number and the tables decide."""
        cdef rng_t rng = rng_for(self.seed, number, 0, PURPOSE_START)
        if self.reanalyses is not None:
            share, num = self.reanalyses.offer
            if num and next_uniform(&rng) < share:
                # Not drawn: no position comes twice before the numbers have gone round.
                return self.reanalyses.read(number % <uint64_t>num)
        if self.starts is not None:
            share, num = self.starts.offer
            if num and next_uniform(&rng) < share:
                return self.starts.read(next_below(&rng, num))
        if not self.openings:
            return Start([])
        number //= 2 if self.is_match else 1
        return Start(self.openings[number % <uint64_t>len(self.openings)])

    cdef int _enter(self, GameSlot slot, Journal journal) except -1:
        """Take over a game in progress: replay its journal and begin the next move."""
        cdef uint32_t ply
        cdef action_t action
        slot.journal = journal
        slot.number = journal.header.number
        slot.swapped = self.is_match and slot.number % 2 == 1
        slot.in_flight = 0
        slot.ply = 0
        slot.playing = True
        state = self.game.initial_state()
        slot.first.set_root(state)
        if self.is_match:
            slot.second.set_root(state)
        for ply in range(journal.header.num_plies):
            self._follow(slot, journal.actions[ply])
        while <uint32_t>slot.ply < journal.header.num_opening:
            action = journal.actions[slot.ply]
            slot.full_search = False
            self._record(slot, journal, None, action)
            self._follow(slot, action)
        return self._go_on(slot)

    cdef int _go_on(self, GameSlot slot) except -1 nogil:
        """The next move, or the end."""
        cdef int ending = self._ending(slot)
        if ending == ENDING_NONE:
            return self._begin_move(slot)
        return self._finish(slot, slot.journal, ending)

    cdef int _ending(self, GameSlot slot) except -2 nogil:
        """How the game has ended with its last ply, if it has: see ending.pxd."""
        cdef int32_t last = slot.ply - 1
        cdef early_t* early = self._early_of(slot, last)
        if is_reanalysed(slot.journal, slot.ply):
            return ENDING_REANALYSED
        if (last >= 0 and gives_up(early, slot.journal, last)
                and not is_played_on(early, self.seed, slot.number)):
            return ENDING_RESIGNED
        if slot.first.root.is_terminal_c():
            return ENDING_RULES
        if last >= 0 and is_proven_end(early, slot.journal, last):
            return ENDING_PROVEN
        if slot.ply >= slot.journal.max_plies or (
                self.plies_per_game > 0
                and slot.ply - <int32_t>slot.journal.header.num_opening >= self.plies_per_game):
            return ENDING_CUT_OFF
        return ENDING_NONE

    cdef int _follow(self, GameSlot slot, action_t action) except -1 nogil:
        """Play `action` in every search of the game."""
        slot.first.advance(action)
        if self.is_match:
            slot.second.advance(action)
        slot.ply += 1
        return 0

    cdef int _begin_move(self, GameSlot slot) except -1 nogil:
        """Decide how the move is searched, and begin."""
        cdef bint second = self._mover_is_second(slot)
        if second:
            return self._begin_search(slot, slot.second, self.second)
        return self._begin_search(slot, slot.first, self.first)

    cdef int _begin_search(self, GameSlot slot, Search search, Player player) except -1 nogil:
        cdef rng_t rng = rng_for(self.seed, slot.number, slot.ply, PURPOSE_CAP)
        cdef int32_t played = slot.ply - <int32_t>slot.journal.header.num_opening
        slot.full_search = (player.fast_simulations == 0 or slot.journal.header.one_ply
                            or played < player.full_plies
                            or next_uniform(&rng) < player.full_fraction)
        if player.kind == PLAYER_LOCAL:
            player.evaluator.restart(slot.number, slot.ply)
        search.rules.policy_temperature = _fallen(
            player.root_policy_temperature, player.final_root_policy_temperature, player, slot.ply)
        if player.progress != self.control.progress:
            with gil:
                player.progress = self.control.progress
                player.num_simulations = player.config.simulations_at(player.progress)
        search.try_endgame = player.endgame_from >= 0 and slot.ply >= player.endgame_from
        search.leaf_endgame_depth = search.leaf_endgame_from - slot.ply
        search.begin(
            player.num_simulations if slot.full_search else player.fast_simulations,
            player.noise_always or (player.noise and slot.full_search),
            rng_for(self.seed, slot.number, slot.ply, PURPOSE_NOISE))
        return 0

    cdef int _make_move(self, GameSlot slot) except -1 nogil:
        """The search is over: draw the move, write it down, play it."""
        cdef action_t action
        if self._mover_is_second(slot):
            action = self._draw(slot, slot.second, self.second)
            self._choose_row(slot, slot.second, self.second)
            self._record(slot, slot.journal, slot.second, action)
        else:
            action = self._draw(slot, slot.first, self.first)
            self._choose_row(slot, slot.first, self.first)
            self._record(slot, slot.journal, slot.first, action)
        self._follow(slot, action)
        return self._go_on(slot)

    cdef void _choose_row(self, GameSlot slot, Search search, Player player) noexcept nogil:
        """Of the full searches that the rules alone have answered, a share counts as such."""
        cdef rng_t rng
        if search.solved and not slot.journal.header.one_ply:
            rng = rng_for(self.seed, slot.number, slot.ply, PURPOSE_ENDGAME)
            slot.full_search &= next_uniform(&rng) < player.endgame_fraction

    cdef action_t _draw(self, GameSlot slot, Search search, Player player) noexcept nogil:
        cdef rng_t rng
        if player.kind == PLAYER_RANDOM:
            rng = rng_for(self.seed, slot.number, slot.ply, PURPOSE_RANDOM)
            return self.actions[next_below(&rng, search.root.legal_actions_c(self.actions))]
        rng = rng_for(self.seed, slot.number, slot.ply, PURPOSE_MOVE)
        return search.choose(
            _fallen(player.temperature, player.final_temperature, player, slot.ply), &rng)

    cdef int _record(self, GameSlot slot, Journal journal, Search search,
                     action_t action) except -1 nogil:
        """Write the ply to the journal; the count of plies is released last."""
        cdef uint32_t ply = slot.ply, entry = journal.first_entry(ply)
        cdef int32_t* actions = journal.policy_actions + entry
        cdef float* weights = journal.policy_weights + entry
        cdef int num
        journal.actions[ply] = action
        journal.players[ply] = slot.first.root.current_player_c()
        journal.full_search[ply] = slot.full_search
        journal.root_values[ply] = 0.0
        journal.prior_values[ply] = 0.0
        journal.surprises[ply] = 0.0
        journal.results[ply] = RESULT_UNKNOWN
        journal.distances[ply] = 0
        slot.first.root.observe_c(journal.observations + ply * journal.observation_bytes)
        if search is not None and search.tree.columns.num_nodes > 0:
            journal.root_values[ply] = search.root_value()
            journal.prior_values[ply] = search.prior_value
            journal.results[ply] = search.root_result()
            journal.distances[ply] = search.root_distance()
            num = search.policy_target(actions, weights)
            journal.surprises[ply] = search.surprise(actions, weights, num)
            entry += num
        journal.policy_ends[ply] = entry
        store32(&journal.header.num_plies, ply + 1)
        self.process.counters[COUNT_PLIES] += search is not None
        return 0

    cdef int _finish(self, GameSlot slot, Journal journal, int ending) except -1 nogil:
        """The game is over: from now on its journal is the parent's."""
        cdef int32_t last = slot.ply - 1
        cdef float result = 0.0          # of the player of the last ply
        if ending == ENDING_RULES:
            journal.header.returns[0] = slot.first.root.outcome_c(0)
            journal.header.returns[1] = slot.first.root.outcome_c(1)
        elif ending != ENDING_REANALYSED:
            if ending == ENDING_PROVEN:
                result = journal.results[last]
            elif ending == ENDING_RESIGNED:
                result = -1.0
            # 0 - x, where -x would make a draw's result minus zero.
            journal.header.returns[0] = result if journal.players[last] == 0 else 0 - result
            journal.header.returns[1] = 0 - journal.header.returns[0]
        journal.header.ending = ending
        journal.header.resign_ply = -1
        if ending == ENDING_RESIGNED:
            journal.header.resign_ply = last
        elif ending != ENDING_REANALYSED and is_played_on(
                &self.first.early, self.seed, slot.number):
            journal.header.resign_ply = first_resignation(&self.first.early, journal, slot.ply)
        slot.playing = False
        self.process.counters[COUNT_GAMES] += ending != ENDING_REANALYSED
        store32(&journal.header.state, JOURNAL_FINISHED)
        add32(&self.control.finished_bell, 1)
        fence()
        if load32(&self.control.parent_sleeping):
            futex_wake(&self.control.finished_bell, 1)
        return 0

    # -- after a predecessor's death ------------------------------------------------------

    cdef int _recover(self) except -1:
        """Let the predecessor's requests run out, then go on with its games."""
        cdef Ring ring
        cdef Journal journal
        cdef int i
        for i in range(len(self.rings)):
            ring = self.rings[i]
            self.group_end[0][i] = ring.control.published
            if not self._wait(0, i, True):
                return 0
            ring.release(ring.control.published)
            for group in range(2):
                self.group_first[group][i] = ring.control.published
                self.group_end[group][i] = ring.control.published
        free_slots = iter(self.slots)
        for journal in self.journals:
            if load32(&journal.header.state) == JOURNAL_PLAYING:
                if self.begin_anew:
                    store32(&journal.header.num_plies, 0)
                self._enter(next(free_slots), journal)
        return 0
