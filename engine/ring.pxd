# A single-producer ring of evaluation requests, one for each worker and model.
#
#   ticket t lies in slot t % num_slots and lives through
#
#     FREE ── worker fills the columns ──▶ FILLED ── published > t (release) ──▶ READY
#      ▲                                                                          │ taken > t
#      │ released > t                                                             ▼
#     READ ◀── worker reads the results ── ANSWERED ◀── answered[slot] = t + 1 ── TAKEN
#                                                       (release)
#
# `published` and `released` belong to the worker, `taken` and `answered` to the inference
# process. Answers may come out of order, since several streams work at once; `answered` holds
# the ticket itself, so an answer to the slot's last life can never be taken for one to this.
#
# A dead inference process: its replacement starts at `released` and skips what is answered.
# A dead worker: its replacement waits until everything published is answered, releases it and
# goes on from `published`; rows that were filled but not published never existed.
#
# The bells are rung only for a sleeper, so that two awake sides write no line of each other's.

from libc.stdint cimport int64_t, uint8_t, uint64_t

from engine.segment cimport Segment, control_t, model_t, process_t, ring_control_t

cdef class Ring:
    cdef readonly Segment segment
    cdef readonly int index                # worker * num_models + model
    cdef readonly uint64_t num_slots
    cdef uint64_t mask
    cdef ring_control_t* control
    cdef model_t* model
    cdef control_t* pool
    cdef uint64_t filled                   # worker: next ticket to fill
    cdef uint64_t waited                   # worker: tickets below this it has waited for
    cdef int64_t spin_ns                   # how long to spin before sleeping
    cdef Py_ssize_t observation_bytes
    cdef Py_ssize_t num_actions
    cdef uint64_t* answered                # [num_slots] ticket + 1 of the last answer
    cdef uint64_t* published_ns            # [num_slots] when the row was handed over
    cdef uint8_t* observations             # [num_slots, observation_bytes]
    cdef float* policy_logits              # [num_slots, num_actions]
    cdef float* wdl_logits                 # [num_slots, 3]

    # Worker's side.
    cdef int can_fill(self) noexcept nogil
    cdef uint8_t* observation(self, uint64_t ticket) noexcept nogil
    cdef float* policy(self, uint64_t ticket) noexcept nogil
    cdef float* wdl(self, uint64_t ticket) noexcept nogil
    cdef void publish(self) noexcept nogil
    cdef bint is_answered(self, uint64_t ticket) noexcept nogil
    cdef bint wait_answered(self, uint64_t ticket, int64_t timeout_ns) noexcept nogil
    cdef void release(self, uint64_t ticket) noexcept nogil
    # Inference side; one stream at a time may take.
    cdef uint64_t waiting(self) noexcept nogil
    cdef uint64_t take(self, uint64_t most, uint64_t* first) noexcept nogil
    cdef void answer(self, uint64_t first, uint64_t count) noexcept nogil


cdef class RingSet:
    cdef readonly Segment segment
    cdef readonly int server
    cdef readonly list rings
    cdef list columns
    cdef void** ring_pointers              # [num_rings] the same rings, borrowed from `rings`
    cdef int num_rings
    cdef int next_ring
    cdef int64_t spin_ns
    cdef model_t* model

    cdef bint any_waiting(self) noexcept nogil
    cdef void wait_c(self, int64_t timeout_ns, bint rows_may_wait) noexcept nogil
    cdef void _skip_answered(self, Ring ring) noexcept nogil
    cdef process_t* _process(self)
