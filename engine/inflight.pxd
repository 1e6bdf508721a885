# What a worker has asked and not yet read: the ticket of each request by its key.
#
#    key ──▶ one place of the table:  key | ticket        the newest request of that place
#
# Tickets only grow, so a ticket below the ring's `waited` marks an entry that is over: nothing is
# ever deleted or cleared. A request that another has pushed out of its place is asked again.

from libc.stdint cimport uint64_t

cdef struct request_t:
    uint64_t key
    uint64_t ticket

cdef class InFlight:
    cdef request_t* requests               # [mask + 1]
    cdef uint64_t mask

    cdef bint find(self, uint64_t key, uint64_t oldest, uint64_t* ticket) noexcept nogil
    cdef void add(self, uint64_t key, uint64_t ticket) noexcept nogil
