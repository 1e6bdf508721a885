"""What is left of a game, searched to its end (drawn in endgame.pxd).

References
----------
Knuth and Moore, "An analysis of alpha-beta pruning" (1975). For the order of the moves: Schaeffer,
"The history heuristic" (1989); Uiterwijk, "The countermove heuristic" (1992); Winands et al., "The
relative history heuristic" (2004).
"""

from libc.stdint cimport INT32_MIN, int8_t, int16_t, int32_t, int64_t, uint64_t
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memset

from engine.decisive cimport wins_at_once
from engine.solver cimport one_ply_before
from engine.transposition cimport node_key
from engine.tree cimport RESULT_LOSS, RESULT_UNKNOWN, RESULT_WIN
from games.base cimport Game, GameState, action_t, mix64


# An end with a line of more plies is given up at once: far from it an attempt is next to free.
cdef int32_t MOST_PLIES = 40

# A reply tells more than an action for itself, so many times as much. Of Connect Four's positions
# at ply 20 of self-play a budget of 5,000 solved 18 % without replies, 46 % at a weight of 16, 52 %
# at 64, 54 % at 1,024; of Othello's at ply 50 of random games 82, 100, 98 and 100 %.
cdef int32_t REPLY_WEIGHT = 64
cdef int32_t MOST_REPLIES = 8192


cdef class Endgame:
    """An exact search of positions near the end of a game.

    Parameters
    ----------
    game
        Rules of two players, of whom one wins what the other loses.
    max_nodes
        Positions that one call may look at for a result, >= 1.
    """

    def __cinit__(self, Game game not None, int64_t max_nodes):
        cdef size_t num_slots
        if max_nodes < 1:
            raise ValueError(f"max_nodes must be >= 1, got {max_nodes}")
        self.game = game
        self.max_nodes = max_nodes
        self.result = RESULT_UNKNOWN
        # No line is longer than the budget, nor can a budget of this order prove longer ones.
        self.max_depth = <int32_t>min(
            <int64_t>min(game.max_game_length, MOST_PLIES) + 1, max_nodes + 1)
        num_slots = 1 << max(4, int(max_nodes - 1).bit_length())
        self.mask = num_slots - 1
        self.states = [game.initial_state() for _ in range(self.max_depth)]
        self.slots = <bounds_t*>calloc(num_slots, sizeof(bounds_t))
        self.children = <void**>malloc(self.max_depth * sizeof(void*))
        self.actions = <action_t*>malloc(
            <size_t>self.max_depth * game.max_legal_actions * sizeof(action_t))
        self.proofs = <proof_t*>malloc(game.max_legal_actions * sizeof(proof_t))
        self.cutoffs = <int32_t*>malloc(2 * game.num_actions * sizeof(int32_t))
        num_replies = min(2 * (game.num_actions + 1) * game.num_actions, MOST_REPLIES)
        self.reply_mask = (1 << int(num_replies - 1).bit_length()) - 1
        self.replies = <int32_t*>malloc((self.reply_mask + 1) * sizeof(int32_t))
        if (self.slots == NULL or self.children == NULL or self.actions == NULL
                or self.proofs == NULL or self.cutoffs == NULL or self.replies == NULL):
            raise MemoryError(f"no memory for an endgame search of {max_nodes} positions")
        for i, state in enumerate(self.states):
            self.children[i] = <void*>state

    def __dealloc__(self):
        free(self.slots)
        free(self.children)
        free(self.actions)
        free(self.proofs)
        free(self.cutoffs)
        free(self.replies)

    cdef bint prove_value(self, GameState state) except -1 nogil:
        """Prove the result of `state`, where somebody is to move; returns whether the budget
        sufficed."""
        cdef int value
        self.salt = mix64(self.salt + 1)
        self.num_nodes = 0
        self.limit = self.max_nodes
        self.gave_up = False
        self.result = RESULT_UNKNOWN
        memset(self.cutoffs, 0, 2 * self.game.num_actions * sizeof(int32_t))
        memset(self.replies, 0, (self.reply_mask + 1) * sizeof(int32_t))
        value = self._value(state, 0, self.game.num_actions, RESULT_LOSS, RESULT_WIN,
                            &self.distance)
        if self.gave_up:
            return False
        self.result = <int8_t>value
        return True

    cdef bint solve(self, GameState state) except -1 nogil:
        """Prove the result of `state`, where somebody is to move, and which of its moves keep it.

        Returns whether the budget sufficed for the result; as much again may go into the moves. One
        that is still unknown then is worse, or the budget ended with it. Moves that win are told
        apart no further than whether they do so at once: where a search stumbles on its first win
        says little of the others.
        """
        cdef int32_t i
        cdef int value, alpha
        cdef int8_t result
        cdef int16_t longest = 0
        cdef proof_t* proof
        if not self.prove_value(state):
            return False
        result, self.result = self.result, RESULT_UNKNOWN       # until a move is known to keep it
        self.limit += self.num_nodes
        alpha = max(result - 1, <int>RESULT_LOSS)
        self.num_proofs = state.legal_actions_c(self.actions)
        for i in range(self.num_proofs):
            # The search below the root leaves its list of actions as it is.
            self.proofs[i].action = self.actions[i]
            self.proofs[i].result = RESULT_UNKNOWN
        for i in range(self.num_proofs):
            proof = &self.proofs[i]
            value = self._child(state, <GameState>self.children[0], 0, proof.action,
                                alpha, alpha + 1, &proof.distance)
            if self.gave_up:
                break
            if result == RESULT_WIN and (
                    value != RESULT_WIN or (self.distance == 1 and proof.distance > 0)):
                continue
            proof.result = <int8_t>value
            if value == result:
                self.result = result
                longest = max(longest, proof.distance)
        self.distance = one_ply_before(longest)
        if result == RESULT_WIN:
            for i in range(self.num_proofs):
                self.proofs[i].distance = longest
        return self.result != RESULT_UNKNOWN

    cdef int _child(self, GameState state, GameState child, int32_t depth, action_t action,
                    int alpha, int beta, int16_t* distance) except -2 nogil:
        """What `action` is worth in `state`, for its player: as `_value`, of a ply later; `child`
        becomes the position that it leads to."""
        cdef int player = state.current_player_c()
        cdef float outcome
        child.copy_from_c(state)
        child.apply_c(action)
        if child.is_terminal_c():
            distance[0] = 0
            outcome = child.outcome_c(player)
            self.gave_up |= outcome != -1.0 and outcome != 0.0 and outcome != 1.0
            return <int>outcome
        if child.current_player_c() == player:
            return self._value(child, depth + 1, action, alpha, beta, distance)
        return -self._value(child, depth + 1, action, -beta, -alpha, distance)

    cdef int _value(self, GameState state, int32_t depth, action_t last, int alpha, int beta,
                    int16_t* distance) except -2 nogil:
        """The result of `state`, `depth` plies below the root and reached by the action `last`, for
        its player, who is to move: exact between alpha and beta, a bound where it reaches one of
        them; `distance` of a win or a loss. At the root `last` is `num_actions`.

        Once `gave_up` is set, what it returns says nothing.
        """
        cdef void* child
        cdef action_t* actions = self.actions + <size_t>depth * self.game.max_legal_actions
        cdef int32_t* cutoffs = self.cutoffs
        cdef int64_t reply = <int64_t>last * self.game.num_actions
        cdef bounds_t* slot
        cdef uint64_t key
        cdef action_t action
        cdef int32_t num, i, j, score, best_score, first = 0
        cdef int value, best = RESULT_LOSS, first_alpha = alpha
        cdef int16_t child_distance = 0, farthest = 0
        self.num_nodes += 1
        if self.num_nodes > self.limit or depth == self.max_depth:
            self.gave_up = True
            return 0
        child = self.children[depth]
        # The salt must not decide which positions share a slot: each call starts from nothing.
        key = node_key(state.hash_c(), depth)
        slot = &self.slots[key & self.mask]
        key ^= self.salt
        if slot.key == key and (slot.lower == slot.upper or slot.lower >= beta):
            distance[0] = slot.distance
            return slot.lower
        if slot.key == key and slot.upper <= alpha:
            distance[0] = slot.distance
            return slot.upper
        if state.current_player_c() == 1:
            cutoffs += self.game.num_actions
            reply += <int64_t>(self.game.num_actions + 1) * self.game.num_actions
        num = state.legal_actions_c(actions)
        # An action that wins at once comes first, then those that have cut most often.
        for i in range(num):
            if wins_at_once(state, <GameState>child, actions[i]):
                actions[0], actions[i] = actions[i], actions[0]
                num = 1
                break
        for i in range(num):
            best_score = INT32_MIN
            for j in range(i, num):
                score = cutoffs[actions[j]] + (
                    REPLY_WEIGHT * self.replies[(reply + actions[j]) & self.reply_mask])
                if score > best_score:
                    best_score, first = score, j
            action = actions[first]
            actions[i], actions[first] = action, actions[i]
            value = self._child(state, <GameState>child, depth, action, alpha, beta,
                                &child_distance)
            if self.gave_up:
                return 0
            child_distance = one_ply_before(child_distance)
            farthest = max(farthest, child_distance)
            best = max(best, value)
            alpha = max(alpha, value)
            if alpha >= beta or value == RESULT_WIN:
                cutoffs[action] += 1
                self.replies[(reply + action) & self.reply_mask] += 1
                for j in range(i):
                    cutoffs[actions[j]] -= 1
                    self.replies[(reply + actions[j]) & self.reply_mask] -= 1
                break
        distance[0] = child_distance if best == RESULT_WIN else farthest
        if slot.key != key:
            slot.key = key
            slot.lower = RESULT_LOSS
            slot.upper = RESULT_WIN
        slot.distance = distance[0]
        if best > first_alpha or best == RESULT_WIN:
            slot.lower = max(slot.lower, <int8_t>best)
        if best < beta or best == RESULT_LOSS:
            slot.upper = min(slot.upper, <int8_t>best)
        return best

    # -- the Python face ------------------------------------------------------------------

    def prove(self, GameState state not None):
        """The result of `state` and what its moves lead to.

        Returns
        -------
        tuple or None
            The result for the player to move, -1, 0 or 1, and a dict of actions: the result of
            each that keeps it, or is known to be worse. None: the budget did not suffice.
        """
        self._check(state)
        if not self.solve(state):
            return None
        return self.result, {
            self.proofs[i].action: self.proofs[i].result
            for i in range(self.num_proofs) if self.proofs[i].result != RESULT_UNKNOWN
        }

    def value(self, GameState state not None):
        """The result of `state` alone, -1, 0 or 1 for the player to move; None: the budget did not
        suffice."""
        self._check(state)
        return self.result if self.prove_value(state) else None

    def _check(self, GameState state):
        if state.game is not self.game:
            raise ValueError(f"state must be of {self.game!r}, got one of {state.game!r}")
        if state.is_terminal():
            raise ValueError(f"the game is over in {state.to_text()!r}: nothing to search")
