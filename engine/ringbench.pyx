"""Both sides of a ring as loops without the GIL: what the transport alone costs, and whether it
is right.

`worker_loop` writes rows that depend on their ticket; `server_loop` answers each with numbers
that depend on every byte of the row; the worker checks every number. So a torn, stale, lost or
doubled row is an error and not a good figure. `ringzero bench ring` times these loops in two
processes; the tests run them as threads of one process under ThreadSanitizer. `bare_loop` is
their yardstick.
"""

from libc.stdint cimport int64_t, uint32_t, uint64_t

from engine.atomic cimport cpu_pause, futex_wait, futex_wake, load32, now_ns, store32
from engine.ring cimport Ring, RingSet
from engine.segment cimport Segment
from games.base cimport mix64

from engine.errors import RingError

__all__ = ["bare_loop", "server_loop", "worker_loop"]

cdef int64_t NAP_NS = 100_000_000      # between two looks at the stop word
cdef int LONG_SPIN = 1 << 12           # looks after which the other side must be off its core
cdef int64_t SHORT_NAP_NS = 50_000     # to leave it this one


cdef inline uint64_t _word(int ring, uint64_t ticket, Py_ssize_t i) noexcept nogil:
    """Word `i` of the row that travels as `ticket`: no two tickets share one, and a row costs
    little more than its bytes, since it is the transport that is timed."""
    return mix64(ticket * 1024 + ring) + i


cdef inline float _result(uint64_t checksum, Py_ssize_t i) noexcept nogil:
    """Number `i` of the answer to a row with `checksum`: an integer that a float holds exactly."""
    return <float>(mix64(checksum + i) >> 40)


cdef inline uint64_t _checksum(const uint64_t* words, Py_ssize_t num) noexcept nogil:
    cdef uint64_t total = 0
    cdef Py_ssize_t i
    for i in range(num):
        total += words[i]
    return total


def worker_loop(Segment segment not None, int worker, int model, uint64_t num_rounds,
                uint64_t rows_per_round, *, int rounds_in_flight=1, double spin_us=0,
                double timeout_s=60):
    """Ask for `num_rounds` times `rows_per_round` rows and check the answers.

    Parameters
    ----------
    segment
        The mapping; its observations are a multiple of 8 bytes.
    worker, model
        Whose ring.
    rounds_in_flight
        1: ping-pong, each round waits for its answers. More: a stream, the next rounds are
        published while the oldest is awaited, as a worker does with its two halves.
    spin_us
        Microseconds to spin for an answer before sleeping.
    timeout_s
        Longest wait for one answer.

    Returns
    -------
    int
        Nanoseconds that it took.

    Raises
    ------
    RingError
        If an answer is wrong or does not come.
    """
    cdef Ring ring = Ring(segment, worker, model, spin_us)
    if num_rounds < 1 or rows_per_round < 1 or rounds_in_flight < 1:
        raise ValueError("num_rounds, rows_per_round and rounds_in_flight must be >= 1, got "
                         f"{num_rounds}, {rows_per_round} and {rounds_in_flight}")
    if rounds_in_flight * rows_per_round > ring.num_slots:
        raise ValueError(f"{rounds_in_flight} x {rows_per_round} rows do not fit into "
                         f"{ring.num_slots} slots")
    cdef int64_t timeout_ns = <int64_t>(timeout_s * 1e9), elapsed
    with nogil:
        elapsed = _ask(ring, num_rounds, rows_per_round, rounds_in_flight, timeout_ns)
    return elapsed


cdef int64_t _ask(Ring ring, uint64_t num_rounds, uint64_t rows, uint64_t in_flight,
                  int64_t timeout_ns) except -1 nogil:
    cdef int64_t start = now_ns()
    cdef uint64_t first = ring.filled, ticket, sent, checked
    for sent in range(num_rounds + in_flight - 1):
        if sent < num_rounds:
            for ticket in range(ring.filled, ring.filled + rows):
                _fill(ring, ticket)
            ring.filled += rows
            ring.publish()
        if sent + 1 < in_flight:
            continue
        checked = first + (sent + 1 - in_flight) * rows
        for ticket in range(checked, checked + rows):
            if not ring.wait_answered(ticket, timeout_ns):
                raise RingError(f"ticket {ticket} of ring {ring.index} was not answered; "
                                "is its server running?")
            _check(ring, ticket)
        ring.release(checked + rows)
    return now_ns() - start


cdef void _fill(Ring ring, uint64_t ticket) noexcept nogil:
    cdef uint64_t* words = <uint64_t*>ring.observation(ticket)
    cdef Py_ssize_t i
    for i in range(ring.observation_bytes // 8):
        words[i] = _word(ring.index, ticket, i)


cdef int _check(Ring ring, uint64_t ticket) except -1 nogil:
    cdef uint64_t checksum = 0
    cdef const float* policy = ring.policy(ticket)
    cdef const float* wdl = ring.wdl(ticket)
    cdef Py_ssize_t i
    for i in range(ring.observation_bytes // 8):
        checksum += _word(ring.index, ticket, i)
    for i in range(ring.num_actions):
        if policy[i] != _result(checksum, i):
            raise RingError(f"policy_logits[{i}] of ticket {ticket} in ring {ring.index} is "
                            f"{policy[i]}, expected {_result(checksum, i)}")
    for i in range(3):
        if wdl[i] != _result(checksum, ring.num_actions + i):
            raise RingError(f"wdl_logits[{i}] of ticket {ticket} in ring {ring.index} is "
                            f"{wdl[i]}, expected {_result(checksum, ring.num_actions + i)}")
    return 0


def server_loop(Segment segment not None, int model, uint64_t num_rows, *, double spin_us=0,
                double timeout_s=60):
    """Answer `num_rows` rows of the model's rings.

    Parameters
    ----------
    segment
        The mapping.
    model
        Whose rings.
    num_rows
        Rows to answer before returning.
    spin_us
        Microseconds to spin for a request before sleeping.
    timeout_s
        Longest wait for one request.

    Returns
    -------
    int
        Times that rows were taken: `num_rows` over it is the mean batch.

    Raises
    ------
    RingError
        If no request comes, unless the segment says stop.
    """
    cdef RingSet rings = RingSet(segment, model, spin_us)
    cdef int64_t timeout_ns = <int64_t>(timeout_s * 1e9)
    cdef uint64_t takes
    with nogil:
        takes = _serve(rings, num_rows, timeout_ns)
    return takes


cdef uint64_t _serve(RingSet rings, uint64_t num_rows, int64_t timeout_ns) except? 0 nogil:
    cdef uint64_t answered = 0, count, takes = 0
    cdef int64_t since = now_ns()
    cdef int i
    while answered < num_rows:
        count = 0
        for i in range(rings.num_rings):
            count += _answer(<Ring>rings.ring_pointers[i], &takes)
        if count:
            answered += count
            since = now_ns()
            continue
        if load32(&rings.segment.control().stop):
            return takes
        if now_ns() - since > timeout_ns:
            raise RingError(f"no request came after {answered} of {num_rows} rows; "
                            "are the workers running?")
        rings.wait_c(NAP_NS, False)
    return takes


cdef uint64_t _answer(Ring ring, uint64_t* takes) noexcept nogil:
    """Answer what waits in one ring; returns how many rows."""
    cdef uint64_t first = 0, ticket, checksum
    cdef uint64_t count = ring.take(ring.num_slots, &first)
    cdef float* policy
    cdef float* wdl
    cdef Py_ssize_t i
    if count == 0:
        return 0
    for ticket in range(first, first + count):
        checksum = _checksum(<const uint64_t*>ring.observation(ticket),
                             ring.observation_bytes // 8)
        policy = ring.policy(ticket)
        wdl = ring.wdl(ticket)
        for i in range(ring.num_actions):
            policy[i] = _result(checksum, i)
        for i in range(3):
            wdl[i] = _result(checksum, ring.num_actions + i)
    ring.answer(first, count)
    takes[0] += 1
    return count


def bare_loop(Segment segment not None, bint server, uint32_t num_rounds, bint asleep=False,
              *, uint32_t first=0):
    """Hand one word back and forth: what two processes cannot do without.

    The bells of ring 0 and model 0 serve as the words, so no ring of the segment may be in use.

    Parameters
    ----------
    segment
        The mapping, new.
    server
        Whether this is the side that answers.
    num_rounds
        Round trips; fewer if the segment says stop.
    asleep
        Wait in futexes; otherwise both sides spin.
    first
        Round trips that were made before.

    Returns
    -------
    int
        Nanoseconds that it took.
    """
    cdef Ring ring = Ring(segment, 0, 0)
    cdef uint32_t* mine = &ring.control.bell if server else &ring.model.doorbell
    cdef uint32_t* other = &ring.model.doorbell if server else &ring.control.bell
    cdef uint32_t i
    cdef int64_t start
    with nogil:
        start = now_ns()
        for i in range(first + 1, first + num_rounds + 1):
            if not server:
                _ring_bare(mine, i, asleep)
            if not _wait_bare(other, i, asleep, &ring.pool.stop):
                break
            if server:
                _ring_bare(mine, i, asleep)
    return now_ns() - start


cdef inline void _ring_bare(uint32_t* word, uint32_t value, bint asleep) noexcept nogil:
    store32(word, value)
    if asleep:
        futex_wake(word, 1)


cdef inline bint _wait_bare(uint32_t* word, uint32_t value, bint asleep,
                            uint32_t* stop) noexcept nogil:
    """Wait until `word` is `value`; False if the segment says stop."""
    cdef int spins = 0
    while load32(word) != value:
        spins += 1
        if asleep:
            futex_wait(word, value - 1, NAP_NS // 10)
        elif spins < LONG_SPIN:
            cpu_pause()
            continue
        else:
            futex_wait(word, value - 1, SHORT_NAP_NS)
            spins = 0
        if load32(stop):
            return False
    return True
