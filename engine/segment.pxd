# The one shared segment of a pool: a memfd that every process maps.
#
#   header | control | models | processes | ring controls | ring columns | cache | journals
#
# Each 64-byte line below has one writer unless it says otherwise, so that no two processes
# fight for a cache line.

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

cdef enum:
    LINE = 64
    MODEL_PATH_BYTES = 1024
    MODEL_ABOUT_BYTES = 512
    CACHE_WAYS = 4           # entries of a bucket of the evaluation cache, a power of two
    DELAY_BUCKETS = 32       # of process_t.queue_delay

cdef enum:                   # rows of process_t.counters; each process writes its own
    COUNT_SIMULATIONS = 0    # worker: finished simulations
    COUNT_EVALUATIONS = 1    # worker: rows asked for; server: rows answered
    COUNT_GAMES = 2          # worker: finished games
    COUNT_PLIES = 3          # worker: moves made
    COUNT_WAIT_NS = 4        # worker: waiting for answers; server: waiting for requests
    COUNT_FULL_STOPS = 5     # worker: searches that a full arena ended early
    COUNT_BATCHES = 6        # server: batches
    COUNT_BUSY_NS = 7        # server: evaluating
    COUNT_PADDED_ROWS = 8    # server: rows of the batches' capacity, for the fill
    COUNT_QUEUE_NS = 9       # server: sum over batches of the oldest row's wait
    COUNT_CACHE_LOOKUPS = 10 # worker: leaves looked up in the cache
    COUNT_CACHE_HITS = 11    # worker: leaves that it answered
    COUNT_SHARED = 12        # worker: leaves that share the row of one in flight
    COUNT_DEPTH = 13         # worker: sum over simulations of their leaf's depth, in edges
    NUM_COUNTERS = 16

cdef struct control_t:
    uint32_t stop            # parent: 1 = every child ends
    uint32_t _pad0
    # Parent, a plain word: workers look when a search begins, and one that sees it a little late
    # searches a little less.
    double progress          # share of the run's budget that is spent, in [0, 1]
    uint64_t _pad3[6]
    uint64_t next_game       # workers, atomic: number of the next game to start
    uint64_t game_limit      # parent: games from this number on are not started
    uint64_t _pad1[6]
    uint32_t finished_bell   # workers, atomic: counts finished games; the parent sleeps on it
    uint32_t parent_sleeping # parent
    uint32_t _pad2[14]

cdef struct model_t:         # one server's mailbox
    uint32_t doorbell        # workers, atomic: counts publications; the streams sleep on it
    uint32_t sleepers        # server, atomic: streams asleep or about to be
    uint32_t _pad0[14]
    uint32_t paused          # parent: 1 = answer nothing
    uint32_t _pad1
    uint64_t wanted          # parent: generation of the weights at `path`
    uint64_t _pad2[6]
    uint64_t loaded          # server: generation of the weights in use
    uint32_t ready           # server: 1 = loaded and answering
    uint32_t _pad3[13]
    char path[MODEL_PATH_BYTES]   # parent, written before `wanted`
    char about[MODEL_ABOUT_BYTES] # server: what evaluates, for people

cdef struct process_t:
    int64_t heartbeat_ns     # now_ns() of its last sign of life
    uint64_t pid
    uint64_t num_restarts    # parent, between two lives of the process
    uint64_t _pad0[5]
    uint64_t counters[NUM_COUNTERS]
    # Server: batches by their oldest row's wait; bucket b holds those from 2^(b-1) up to 2^b
    # microseconds, bucket 0 those below 1.
    uint64_t queue_delay[DELAY_BUCKETS]

cdef struct ring_control_t:
    uint64_t published       # worker: tickets handed over; ticket t lies in slot t % num_slots
    uint64_t released        # worker: tickets below this have been read and may be forgotten
    uint64_t _pad0[6]
    uint64_t taken           # server: tickets below this are in a batch or answered
    uint64_t _pad1[7]
    uint32_t bell            # server, atomic: counts answered batches; the worker sleeps on it
    uint32_t sleeping        # worker
    uint32_t _pad2[14]

cdef class Segment:
    cdef readonly object spec              # SegmentSpec
    cdef readonly int fd
    cdef readonly object map               # mmap.mmap
    cdef uint8_t* base
    cdef dict offsets
    cdef Py_ssize_t journal_bytes

    cdef control_t* control(self) noexcept nogil
    cdef model_t* model(self, int server) noexcept nogil
    cdef process_t* process(self, int index) noexcept nogil
    cdef control_t* _control
    cdef model_t* _models
    cdef process_t* _processes
