/* The kernel's table of descriptors grows by doubling, whenever one is opened that has no place: by
 * accept(), socket(), open(). In a process of one thread that is a matter of microseconds. Where
 * threads share the table, those of a ring's workers among them, whoever opens waits until no
 * processor looks at the old one any more: 8 to 28 ms were measured, in which a loop stands still,
 * at the 257th descriptor, the 513th and so on. So it grows once, before there are threads of ours:
 * to what the process may open, 8 bytes of the kernel's memory each. It never shrinks.
 *
 * A child of fork() begins with a table that is as small as can be. */

#include "io/descriptors.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

static int last_descriptor(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return 0;
    return limit.rlim_cur < WF_DESCRIPTORS ? (int)limit.rlim_cur - 1 : WF_DESCRIPTORS - 1;
}

/* A descriptor with that number for a moment. */
static void grow_table(int last)
{
    int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    int high = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, last);
    if (high >= 0)
        close(high);
    if (fd >= 0)
        close(fd);
}

void wf_descriptors_reserve(void)
{
    static _Atomic pid_t done_in;
    pid_t self = getpid();
    if (atomic_exchange_explicit(&done_in, self, memory_order_relaxed) != self)
        grow_table(last_descriptor());
}
