"""The shared segment of a pool: a memfd, its layout, and the words that are not a ring's.

The descriptor is handed to spawned children, so the kernel frees the memory with its last holder
and nothing can be left behind, however the processes end.
"""

import mmap
import os
import tempfile
import zlib
from dataclasses import asdict, dataclass

from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy, strlen

import numpy as np

from engine.atomic cimport add32, futex_wait, futex_wake, load32, load64, now_ns, store32, store64

from engine.errors import LayoutError

MAGIC = 0x6F72657A676E6972      # "ringzero", little-endian
VERSION = 7
HEADER_BYTES = 4096

COUNTER_NAMES = (
    "simulations", "evaluations", "games", "plies", "wait_ns", "full_stops", "batches",
    "busy_ns", "padded_rows", "queue_ns", "cache_lookups", "cache_hits", "shared",
    "depth",
)


@dataclass(frozen=True)
class SegmentSpec:
    """Everything that decides the layout."""

    num_workers: int
    num_models: int             # evaluators; each worker has one ring to each
    num_slots: int              # of a ring, a power of two
    observation_bytes: int
    num_actions: int
    journals_per_worker: int
    max_plies: int              # of the longest game
    journal_entries: int        # (action, weight) pairs that a game's journal can hold
    cache_entries: int = 0      # of the evaluation cache, whole buckets; 0: none
    servers_per_model: int = 1  # inference processes that share a model's workers
    num_starts: int = 0         # starts that can be offered at once: see starts.py
    num_reanalyses: int = 0     # stored positions that can be

    @property
    def num_rings(self):
        return self.num_workers * self.num_models

    @property
    def num_servers(self):
        """A model's servers follow each other."""
        return self.num_models * self.servers_per_model

    @property
    def num_processes(self):
        """Workers first, then the servers."""
        return self.num_workers + self.num_servers

    def server(self, worker, model):
        """The server that answers the worker's requests to the model."""
        return model * self.servers_per_model + worker % self.servers_per_model


def _round_up(n, to):
    return (n + to - 1) // to * to


def journal_layout(spec):
    """Offsets inside one journal, and its size: see journal.pxd."""
    offsets, at = {}, 64
    for name, count, width in (
        ("actions", spec.max_plies, 4),
        ("root_values", spec.max_plies, 4),
        ("prior_values", spec.max_plies, 4),
        ("surprises", spec.max_plies, 4),
        ("policy_ends", spec.max_plies, 4),
        ("policy_actions", spec.journal_entries, 4),
        ("policy_weights", spec.journal_entries, 4),
        ("distances", spec.max_plies, 2),
        ("players", spec.max_plies, 1),
        ("full_search", spec.max_plies, 1),
        ("results", spec.max_plies, 1),
        ("observations", spec.max_plies * spec.observation_bytes, 1),
    ):
        at = _round_up(at, 8)
        offsets[name] = at
        at += count * width
    return offsets, _round_up(at, LINE)


def cache_entry_bytes(num_actions):
    """Bytes of an entry of the evaluation cache: see cache.pxd."""
    return 8 * (1 + (num_actions + 3 + 1) // 2)


def cache_entries(megabytes, num_actions):
    """Entries of an evaluation cache of so many megabytes, in whole buckets."""
    return CACHE_WAYS * (int(megabytes * 1e6) // (CACHE_WAYS * cache_entry_bytes(num_actions)))


def start_words(spec):
    """Words of 4 bytes of an entry of a table of starts: see starts.py."""
    return 4 + spec.max_plies


def _start_bytes(spec, num):
    return LINE + num * start_words(spec) * 4 if num else 0


def layout(spec):
    """Offsets of the segment's parts, and its size."""
    offsets, at = {}, HEADER_BYTES
    rings, slots = spec.num_rings, spec.num_slots
    for name, size in (
        ("control", sizeof(control_t)),
        ("models", spec.num_servers * sizeof(model_t)),
        ("processes", spec.num_processes * sizeof(process_t)),
        ("rings", rings * sizeof(ring_control_t)),
        # Ring columns, [rings, slots, ...] each.
        ("answered", rings * slots * 8),
        ("published_ns", rings * slots * 8),
        ("observations", rings * slots * spec.observation_bytes),
        ("policy_logits", rings * slots * spec.num_actions * 4),
        ("wdl_logits", rings * slots * 3 * 4),
        ("cache", spec.cache_entries * cache_entry_bytes(spec.num_actions)),
        ("journals", spec.num_workers * spec.journals_per_worker * journal_layout(spec)[1]),
        ("starts", _start_bytes(spec, spec.num_starts)),
        ("reanalyses", _start_bytes(spec, spec.num_reanalyses)),
    ):
        at = _round_up(at, 4096)
        offsets[name] = at
        at += size
    return offsets, _round_up(at, 4096)


def layout_hash(spec):
    """Changes whenever two builds would read the segment differently."""
    return zlib.crc32(repr((VERSION, sorted(asdict(spec).items()), layout(spec))).encode())


cdef class Segment:
    """A mapping of the shared memory.

    Parameters
    ----------
    spec
        The layout.
    fd
        Descriptor of an existing segment to attach to, which this object closes; None creates
        one.
    read_only
        Map what `fd` leads to without the right to write: for onlookers. A method that writes
        then ends the onlooker, not the pool.

    Raises
    ------
    LayoutError
        If the segment behind `fd` has another magic, version, size or layout.
    """

    def __cinit__(self, spec, fd=None, bint read_only=False):
        cdef Py_buffer view
        self.fd = -1     # first of all: __dealloc__ closes it, and 0 is somebody's
        slots = spec.num_slots
        if slots < 1 or slots & (slots - 1):
            raise ValueError(f"num_slots must be a power of two, got {slots}")
        if spec.cache_entries % CACHE_WAYS:
            raise ValueError(
                f"cache_entries must be a multiple of {CACHE_WAYS}, got {spec.cache_entries}")
        self.spec = spec
        self.offsets, size = layout(spec)
        self.journal_bytes = journal_layout(spec)[1]
        header = np.array([MAGIC, VERSION, layout_hash(spec), size], np.uint64)
        if fd is None:
            self.fd = _anonymous_file(size)
        else:
            self.fd = fd
            found = os.fstat(fd).st_size
            start = np.frombuffer(os.pread(fd, header.nbytes, 0).ljust(header.nbytes, b"\0"),
                                  np.uint64)
            if found != size or not (start == header).all():
                raise LayoutError(
                    f"shared segment has size {found}, magic {int(start[0]):#x}, version "
                    f"{int(start[1])}, layout {int(start[2]):#x}; expected {size}, {MAGIC:#x}, "
                    f"{VERSION}, {int(header[2]):#x}: all processes must run the same build"
                )
        rights = mmap.PROT_READ if read_only else mmap.PROT_READ | mmap.PROT_WRITE
        self.map = mmap.mmap(self.fd, size, prot=rights)
        PyObject_GetBuffer(self.map, &view, PyBUF_SIMPLE)
        self.base = <uint8_t*>view.buf
        # The mmap object outlives this one's use of the pointer; holding the buffer as well
        # would only make it impossible to close.
        PyBuffer_Release(&view)
        if fd is None:
            np.frombuffer(self.map, np.uint64, 4)[:] = header
        self._control = <control_t*>(self.base + <Py_ssize_t>self.offsets["control"])
        if fd is None:
            self._control.progress = 1.0
        self._models = <model_t*>(self.base + <Py_ssize_t>self.offsets["models"])
        self._processes = <process_t*>(self.base + <Py_ssize_t>self.offsets["processes"])

    def __dealloc__(self):
        if self.fd >= 0:
            os.close(self.fd)

    cdef control_t* control(self) noexcept nogil:
        return self._control

    cdef model_t* model(self, int server) noexcept nogil:
        return self._models + server

    cdef process_t* process(self, int index) noexcept nogil:
        return self._processes + index

    def array(self, name, dtype, shape, offset=0):
        """A numpy view of `shape` at part `name` plus `offset` bytes."""
        count = 1
        for n in shape:
            count *= n
        return np.frombuffer(self.map, dtype, count, self.offsets[name] + offset).reshape(shape)

    @property
    def num_bytes(self):
        """Size of the mapping."""
        return len(self.map)

    def columns(self):
        """The bytes of all rings' observation and result columns, in whole pages."""
        cdef Py_ssize_t start = self.offsets["observations"], end = self.offsets["cache"]
        return np.frombuffer(self.map, np.uint8, end - start, start)

    # -- control words: those of a model are by server --------------------------------------

    def stop(self):
        """Tell every child to end, and wake those asleep."""
        cdef int i
        store32(&self._control.stop, 1)
        for i in range(self.spec.num_servers):
            add32(&self._models[i].doorbell, 1)
            futex_wake(&self._models[i].doorbell, 1 << 30)

    @property
    def stopping(self):
        return load32(&self._control.stop) != 0

    @property
    def next_game(self):
        """Number of the next game that a worker will start."""
        return load64(&self._control.next_game)

    @next_game.setter
    def next_game(self, uint64_t number):
        store64(&self._control.next_game, number)

    @property
    def game_limit(self):
        """Games from this number on are not started."""
        return load64(&self._control.game_limit)

    @game_limit.setter
    def game_limit(self, uint64_t number):
        store64(&self._control.game_limit, number)

    @property
    def progress(self):
        """Share of the run's budget that is spent, in [0, 1]; 1 where nobody says otherwise."""
        return self._control.progress

    @progress.setter
    def progress(self, double progress):
        self._control.progress = min(max(progress, 0.0), 1.0)

    def pause(self, bint paused):
        """Stop, or go on, answering requests; workers then wait."""
        cdef int i
        for i in range(self.spec.num_servers):
            store32(&self._models[i].paused, paused)
            add32(&self._models[i].doorbell, 1)
            futex_wake(&self._models[i].doorbell, 1 << 30)

    def is_paused(self, int server):
        return load32(&self._models[server].paused) != 0

    def set_model(self, int server, str path, uint64_t generation):
        """Ask for the weights at `path`; `loaded` becomes `generation` once they are in use."""
        cdef bytes raw = os.fsencode(path)
        cdef char* start = raw
        if len(raw) >= MODEL_PATH_BYTES:
            raise ValueError(f"a model's path must be < {MODEL_PATH_BYTES} bytes, got {path!r}")
        memcpy(self._models[server].path, start, len(raw) + 1)
        store64(&self._models[server].wanted, generation)
        add32(&self._models[server].doorbell, 1)
        futex_wake(&self._models[server].doorbell, 1 << 30)

    def wanted(self, int server):
        """(path, generation) of the weights that are asked for."""
        cdef uint64_t generation = load64(&self._models[server].wanted)
        cdef char* path = self._models[server].path
        return os.fsdecode(path[:strlen(path)]), generation

    def loaded(self, int server):
        """Generation of the weights in use."""
        return load64(&self._models[server].loaded)

    def set_loaded(self, int server, uint64_t generation):
        store64(&self._models[server].loaded, generation)

    def about(self, int server):
        """What evaluates, in words; "" before it is ready."""
        cdef char* text = self._models[server].about
        return text[:strlen(text)].decode(errors="replace")

    def set_about(self, int server, str text):
        # The last byte is never written: a reader who comes between finds an end.
        cdef bytes raw = text.encode()[:MODEL_ABOUT_BYTES - 2] + b"\0"
        cdef char* start = raw
        memcpy(self._models[server].about, start, len(raw))

    def ready(self, int server):
        """True once the inference process answers."""
        return load32(&self._models[server].ready) != 0

    def set_ready(self, int server, bint ready):
        store32(&self._models[server].ready, ready)

    # -- signs of life --------------------------------------------------------------------

    def beat(self, int process):
        """A sign of life of `process`, from itself."""
        self._processes[process].pid = os.getpid()
        self._processes[process].heartbeat_ns = now_ns()

    def heartbeat_age_s(self, int process):
        """Seconds since its last sign of life."""
        return (now_ns() - self._processes[process].heartbeat_ns) * 1e-9

    def counters(self, int process):
        """The counters of a process by name; nothing ever resets them but its replacement."""
        return {
            name: self._processes[process].counters[i] for i, name in enumerate(COUNTER_NAMES)
        }

    def queue_delays(self, int process):
        """Batches of an inference process by the wait of their oldest row: bucket b holds those
        from 2 ** (b - 1) up to 2 ** b microseconds, bucket 0 those below 1."""
        return [self._processes[process].queue_delay[b] for b in range(DELAY_BUCKETS)]

    def pid(self, int process):
        """Process id at its last sign of life."""
        return self._processes[process].pid

    def num_restarts(self, int process):
        """How often the parent has replaced it."""
        return self._processes[process].num_restarts

    def count_restart(self, int process):
        """The parent is about to replace it."""
        self._processes[process].num_restarts += 1

    def wait_finished(self, uint32_t seen, double timeout_s):
        """Sleep until the count of finished games is not `seen` any more; return the count."""
        if load32(&self._control.finished_bell) == seen and timeout_s > 0:
            store32(&self._control.parent_sleeping, 1)
            with nogil:
                futex_wait(&self._control.finished_bell, seen, <long long>(timeout_s * 1e9))
            store32(&self._control.parent_sleeping, 0)
        return load32(&self._control.finished_bell)


def _anonymous_file(size):
    """A descriptor of `size` zero bytes that no name leads to."""
    if hasattr(os, "memfd_create"):
        fd = os.memfd_create("ringzero", os.MFD_CLOEXEC)
    else:
        fd, path = tempfile.mkstemp(prefix="ringzero-")
        os.unlink(path)
    os.ftruncate(fd, size)
    return fd
