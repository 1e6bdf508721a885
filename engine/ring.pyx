"""The shared-memory ring between one worker and one evaluator; states are drawn in ring.pxd.

Sleep protocol, the same on both sides: the sleeper announces itself, fences, reads the bell,
looks once more, then sleeps on the value it read; the waker makes its change visible, fences,
and rings only if somebody is announced. The fences order each side's store before its load, so
one of the two always sees the other; a bell rung before the sleeper read it means a change that
its last look sees. A wake-up cannot be lost.

Awake sides leave the bells alone and spin on the words that the other side writes anyway.

References
----------
Drepper, "Futexes are tricky" (2011), for the protocol.
"""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc

import numpy as np

from engine.atomic cimport (
    add32,
    cpu_pause,
    fence,
    futex_wait,
    futex_wake,
    load32,
    load64,
    now_ns,
    store32,
    store64,
)
from engine.segment cimport (
    COUNT_BATCHES,
    COUNT_BUSY_NS,
    COUNT_EVALUATIONS,
    COUNT_PADDED_ROWS,
    COUNT_QUEUE_NS,
    COUNT_WAIT_NS,
    DELAY_BUCKETS,
    Segment,
    ring_control_t,
    process_t,
)

from engine.evaluator import Run

cdef inline int delay_bucket(int64_t delay_ns) noexcept nogil:
    """Bit length of the microseconds: the bucket of `process_t.queue_delay`."""
    cdef int64_t left = delay_ns // 1000
    cdef int bucket = 0
    while left > 0 and bucket < DELAY_BUCKETS - 1:
        left >>= 1
        bucket += 1
    return bucket


cdef enum:
    SPINS = 64          # looks between two readings of the clock


cdef class Ring:
    """One ring of a segment, seen from either side.

    Parameters
    ----------
    segment
        The mapping.
    worker, model
        Whose requests, to whom.
    spin_us
        Microseconds to spin before sleeping; more than 0 only where a core is free for it.
    """

    def __cinit__(self, Segment segment not None, int worker, int model, double spin_us=0):
        spec = segment.spec
        if not 0 <= worker < spec.num_workers or not 0 <= model < spec.num_models:
            raise ValueError(
                f"no ring of worker {worker} and model {model} among {spec.num_workers} x "
                f"{spec.num_models}"
            )
        self.segment = segment
        self.index = worker * spec.num_models + model
        self.num_slots = spec.num_slots
        self.mask = self.num_slots - 1
        self.spin_ns = <int64_t>(spin_us * 1000)
        self.observation_bytes = spec.observation_bytes
        self.num_actions = spec.num_actions
        self.pool = segment.control()
        self.model = segment.model(spec.server(worker, model))
        cdef dict at = segment.offsets
        cdef Py_ssize_t slots = spec.num_slots, first = self.index * slots
        self.control = (
            <ring_control_t*>(segment.base + <Py_ssize_t>at["rings"]) + self.index)
        self.answered = <uint64_t*>(segment.base + <Py_ssize_t>at["answered"]) + first
        self.published_ns = <uint64_t*>(segment.base + <Py_ssize_t>at["published_ns"]) + first
        self.observations = (
            segment.base + <Py_ssize_t>at["observations"] + first * self.observation_bytes)
        self.policy_logits = (
            <float*>(segment.base + <Py_ssize_t>at["policy_logits"]) + first * self.num_actions)
        self.wdl_logits = <float*>(segment.base + <Py_ssize_t>at["wdl_logits"]) + first * 3
        self.filled = load64(&self.control.published)
        self.waited = load64(&self.control.released)

    def columns(self):
        """The ring's columns as one `Run` of all slots: numpy views of the segment."""
        cdef Py_ssize_t slots = self.num_slots, first = self.index * slots
        observation_bytes, num_actions = self.observation_bytes, self.num_actions
        return Run(
            self.segment.array("observations", np.uint8, (slots, observation_bytes),
                               first * observation_bytes),
            self.segment.array("policy_logits", np.float32, (slots, num_actions),
                               first * num_actions * 4),
            self.segment.array("wdl_logits", np.float32, (slots, 3), first * 12),
        )

    # -- worker's side --------------------------------------------------------------------

    cdef int can_fill(self) noexcept nogil:
        """1 if the next ticket's slot has been read and released."""
        return self.filled - self.control.released < self.num_slots

    cdef uint8_t* observation(self, uint64_t ticket) noexcept nogil:
        return self.observations + (ticket & self.mask) * self.observation_bytes

    cdef float* policy(self, uint64_t ticket) noexcept nogil:
        return self.policy_logits + (ticket & self.mask) * self.num_actions

    cdef float* wdl(self, uint64_t ticket) noexcept nogil:
        return self.wdl_logits + (ticket & self.mask) * 3

    cdef void publish(self) noexcept nogil:
        """Hand over everything filled, and ring once if a stream sleeps."""
        cdef uint64_t now = <uint64_t>now_ns(), ticket
        if self.filled == self.control.published:
            return
        for ticket in range(self.control.published, self.filled):
            self.published_ns[ticket & self.mask] = now
        store64(&self.control.published, self.filled)
        fence()
        if load32(&self.model.sleepers):
            add32(&self.model.doorbell, 1)
            # One stream a publication; a stream that leaves rows behind wakes the next.
            futex_wake(&self.model.doorbell, 1)

    cdef bint is_answered(self, uint64_t ticket) noexcept nogil:
        return load64(&self.answered[ticket & self.mask]) == ticket + 1

    cdef bint wait_answered(self, uint64_t ticket, int64_t timeout_ns) noexcept nogil:
        """Wait for the answer to `ticket`; False if there is none after `timeout_ns`."""
        cdef int64_t now, start = 0, deadline
        cdef uint32_t seen
        cdef int _spin
        if self.is_answered(ticket):
            return True
        start = now_ns()
        deadline = start + timeout_ns
        while self.spin_ns > 0:
            for _spin in range(SPINS):
                if self.is_answered(ticket):
                    return True
                cpu_pause()
            if now_ns() - start > self.spin_ns:
                break
        while True:
            store32(&self.control.sleeping, 1)
            fence()
            seen = load32(&self.control.bell)
            if self.is_answered(ticket):
                store32(&self.control.sleeping, 0)
                return True
            now = now_ns()
            if now < deadline and not load32(&self.pool.stop):
                futex_wait(&self.control.bell, seen, deadline - now)
            store32(&self.control.sleeping, 0)
            if self.is_answered(ticket):
                return True
            if now_ns() >= deadline or load32(&self.pool.stop):
                return False

    cdef void release(self, uint64_t ticket) noexcept nogil:
        """Forget all tickets below `ticket`: their results have been read."""
        store64(&self.control.released, ticket)

    # -- inference side -------------------------------------------------------------------

    cdef uint64_t waiting(self) noexcept nogil:
        """Rows published and not taken."""
        return load64(&self.control.published) - load64(&self.control.taken)

    cdef uint64_t take(self, uint64_t most, uint64_t* first) noexcept nogil:
        """Take up to `most` consecutive slots; return how many, the first ticket in `first`."""
        cdef uint64_t taken = self.control.taken
        cdef uint64_t count = load64(&self.control.published) - taken
        cdef uint64_t to_the_end = self.num_slots - (taken & self.mask)
        if count > to_the_end:
            count = to_the_end
        if count > most:
            count = most
        first[0] = taken
        store64(&self.control.taken, taken + count)
        return count

    cdef void answer(self, uint64_t first, uint64_t count) noexcept nogil:
        """The results of `count` tickets from `first` on are in their slots."""
        cdef uint64_t ticket
        for ticket in range(first, first + count):
            store64(&self.answered[ticket & self.mask], ticket + 1)
        fence()
        if load32(&self.control.sleeping):
            add32(&self.control.bell, 1)
            futex_wake(&self.control.bell, 1)


cdef class RingSet:
    """The rings that one inference process answers.

    Parameters
    ----------
    segment
        The mapping.
    server
        Which process; its model's other servers answer other workers.
    spin_us
        Microseconds that a stream spins before it sleeps.
    """

    def __init__(self, Segment segment not None, int server, double spin_us=0):
        spec = segment.spec
        self.segment = segment
        self.server = server
        model, first = divmod(server, spec.servers_per_model)
        self.rings = [
            Ring(segment, w, model)
            for w in range(first, spec.num_workers, spec.servers_per_model)
        ]
        self.columns = [ring.columns() for ring in self.rings]
        self.spin_ns = <int64_t>(spin_us * 1000)
        self.model = segment.model(server)
        free(self.ring_pointers)
        self.num_rings = len(self.rings)
        self.ring_pointers = <void**>malloc(self.num_rings * sizeof(void*))
        if self.ring_pointers == NULL:
            raise MemoryError(f"no memory for {self.num_rings} pointers")
        for i, ring in enumerate(self.rings):
            self.ring_pointers[i] = <void*>ring

    def __dealloc__(self):
        free(self.ring_pointers)

    def recover(self):
        """After a predecessor's death: take again what it took and did not answer."""
        cdef Ring ring
        for ring in self.rings:
            ring.control.taken = load64(&ring.control.released)
        store32(&self.model.sleepers, 0)

    def waiting(self):
        """(rows waiting, nanoseconds that the oldest has waited)."""
        cdef Ring ring
        cdef uint64_t total = 0, count, oldest = 0, at
        for ring in self.rings:
            self._skip_answered(ring)
            count = ring.waiting()
            if count:
                total += count
                at = ring.published_ns[ring.control.taken & ring.mask]
                if oldest == 0 or at < oldest:
                    oldest = at
        return total, (<uint64_t>now_ns() - oldest if oldest else 0)

    cdef void _skip_answered(self, Ring ring) noexcept nogil:
        # Only after `recover` is anything to skip.
        while ring.waiting() and ring.is_answered(ring.control.taken):
            ring.control.taken += 1

    def collect(self, uint64_t most):
        """Take up to `most` rows, the rings in turn.

        Returns
        -------
        tickets : list of (ring, first ticket, count)
            What `answer` wants back.
        runs : list of Run
            Views of the same rows.
        """
        cdef Ring ring
        cdef uint64_t first = 0, count, slot
        cdef int i, num = len(self.rings)
        tickets, runs = [], []
        for i in range(num):
            index = (self.next_ring + i) % num
            ring = self.rings[index]
            while most > 0:
                self._skip_answered(ring)
                count = ring.take(most, &first)
                if count == 0:
                    break
                most -= count
                slot = first & ring.mask
                observations, policy_logits, wdl_logits = self.columns[index]
                tickets.append((index, first, count))
                runs.append(Run(observations[slot:slot + count],
                                policy_logits[slot:slot + count],
                                wdl_logits[slot:slot + count]))
        self.next_ring = (self.next_ring + 1) % num
        return tickets, runs

    def answer(self, tickets):
        """The results of `collect`'s rows are in their slots: wake the workers."""
        cdef Ring ring
        for index, first, count in tickets:
            ring = self.rings[index]
            ring.answer(first, count)

    def wait(self, double timeout_s, bint rows_may_wait=False):
        """Sleep until a worker publishes, or `timeout_s` has passed.

        Returns at once if rows are waiting, unless they are told to wait.
        """
        with nogil:
            self.wait_c(<int64_t>(timeout_s * 1e9), rows_may_wait)

    cdef void wait_c(self, int64_t timeout_ns, bint rows_may_wait) noexcept nogil:
        cdef int64_t start
        cdef uint32_t seen
        cdef int _spin
        if not rows_may_wait:
            if self.any_waiting():
                return
            if self.spin_ns > 0:
                start = now_ns()
                while now_ns() - start < self.spin_ns:
                    for _spin in range(SPINS):
                        if self.any_waiting():
                            return
                        cpu_pause()
        add32(&self.model.sleepers, 1)
        fence()
        seen = load32(&self.model.doorbell)
        if rows_may_wait or not self.any_waiting():
            futex_wait(&self.model.doorbell, seen, timeout_ns)
        add32(&self.model.sleepers, <uint32_t>-1)

    cdef bint any_waiting(self) noexcept nogil:
        cdef int i
        for i in range(self.num_rings):
            if (<Ring>self.ring_pointers[i]).waiting():
                return True
        return False

    def wake_another(self):
        """Rows are left for another stream."""
        if self.any_waiting() and load32(&self.model.sleepers):
            add32(&self.model.doorbell, 1)
            futex_wake(&self.model.doorbell, 1)

    # -- counters of the inference process, one caller at a time ---------------------------

    def count_batch(self, int rows, int capacity, int64_t busy_ns, int64_t oldest_ns):
        """A batch was answered."""
        cdef process_t* process = self._process()
        cdef uint64_t* counters = process.counters
        process.queue_delay[delay_bucket(oldest_ns)] += 1
        counters[COUNT_BATCHES] += 1
        counters[COUNT_EVALUATIONS] += rows
        counters[COUNT_PADDED_ROWS] += capacity
        counters[COUNT_BUSY_NS] += busy_ns
        counters[COUNT_QUEUE_NS] += oldest_ns

    def count_wait(self, int64_t wait_ns):
        """A stream had nothing to do for so long."""
        self._process().counters[COUNT_WAIT_NS] += wait_ns

    cdef process_t* _process(self):
        cdef int workers = self.segment.spec.num_workers
        return self.segment.process(workers + self.server)
