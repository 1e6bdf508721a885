"""The requests of a worker that are in flight, by key (drawn in inflight.pxd)."""

from libc.stdint cimport uint64_t
from libc.stdlib cimport calloc, free


cdef class InFlight:
    """A table for up to `most` requests at a time; four places for each, so that few collide."""

    def __cinit__(self, uint64_t most):
        cdef uint64_t places = 1
        while places < 4 * most:
            places *= 2
        self.mask = places - 1
        self.requests = <request_t*>calloc(places, sizeof(request_t))
        if self.requests == NULL:
            raise MemoryError(f"no memory for {places} requests")

    def __dealloc__(self):
        free(self.requests)

    cdef bint find(self, uint64_t key, uint64_t oldest, uint64_t* ticket) noexcept nogil:
        """Whether `key` is in flight, its ticket `oldest` or newer; it is then in `ticket`."""
        cdef const request_t* request = self.requests + (key & self.mask)
        ticket[0] = request.ticket
        return request.key == key and request.ticket >= oldest

    cdef void add(self, uint64_t key, uint64_t ticket) noexcept nogil:
        cdef request_t* request = self.requests + (key & self.mask)
        request.key = key
        request.ticket = ticket
