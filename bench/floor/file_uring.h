#ifndef BENCH_FLOOR_FILE_URING_H
#define BENCH_FLOOR_FILE_URING_H

/* Reads of a file on io_uring by hand: one io_uring_enter() for a batch, which waits for all of it.
 * Nobody waits for one of them, and none is begun while others end. */

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define FILE_URING_BATCH_MAX 64

struct file_uring_read {
    void *buffer;
    size_t size;
    off_t offset;
};

/* Whether this machine has io_uring; makes the ring at the first call. */
bool file_uring_is_here(void);

/* Ends the program where a read brings less than all. */
void file_uring_read(int fd, const struct file_uring_read *reads, unsigned count);

#endif
