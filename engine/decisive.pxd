# A move that ends the game at once, with a win (Teytaud and Teytaud, "On the huge benefit of
# decisive moves in Monte-Carlo tree search algorithms", 2010).

from games.base cimport GameState, action_t


cdef inline bint wins_at_once(GameState state, GameState after, action_t action) except -1 nogil:
    """Whether `action` ends the game at once with a win for its player; `after` becomes the
    position that it leads to."""
    after.copy_from_c(state)
    after.apply_c(action)
    return after.is_terminal_c() and after.outcome_c(state.current_player_c()) == 1.0
