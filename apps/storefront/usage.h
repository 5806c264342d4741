#ifndef STOREFRONT_USAGE_H
#define STOREFRONT_USAGE_H

/* What the kernel says of a process: /proc/PID/status, stat and schedstat. */

#include <stdint.h>
#include <sys/types.h>

struct usage {
    char state; /* 'R' runs, 'S' sleeps, 'T' is stopped, 'Z' has ended; 0: there is no such process
                 */
    int threads;
    int64_t resident;      /* bytes */
    int64_t resident_peak; /* the most it ever was */
    int64_t cpu;           /* nanoseconds, user and system */
};

struct usage usage_of(pid_t process);

/* How long its first thread was ready to run and had no processor, ever, in nanoseconds; 0 where
 * the kernel does not say. */
int64_t usage_waited(pid_t process);

#endif
