/* Random reads of 4 KiB of a file, by 32 tasks: what one costs the process in CPU time, user and
 * system, its threads' and the kernel's workers' included. Beside them the same by a batch of 32 on
 * io_uring by hand, by weft_blocking(), which is what a program without a ring has ("pool"), and by
 * a plain loop of pread() ("pread"), which is the least where nobody has to wait.
 *
 * "file/cached/…": the page cache has all of it. "file/direct/…": opened with O_DIRECT, so that
 * each read goes to the disk; its pool has a thread for each task. The last word is the driver.
 *
 * The file is made in the build's folder and has no name any more while it is read. --size N is its
 * size in MiB.
 *
 *     bench_file [--help] */

#include "bench.h"
#include "floor/file_uring.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/uio.h>
#include <weft.h>
#include <weft/file.h>

#define PAGE    4096
#define TASKS   32
#define MIB     (1L << 20)
#define USUAL   1024 /* MiB */
#define CACHED  20000
#define DIRECT  1600
#define WARM_UP 8 /* reads of a task before it counts: by then the threads are there */

struct row {
    int fd;
    long count; /* reads in a run */
    bool is_direct;
    const char *backend;
    weft_fn *task;
};

static struct {
    int cached, direct; /* descriptors of the file; < 0: not to be had */
    long pages;
} file;

static _Alignas(PAGE) char buffers[TASKS][PAGE];
static struct row now; /* what runs */
static weft_pool *pool;
static uint64_t state = 88172645463325252u;
static double cpu_ns, clock_ns;

static void die(const char *what, int err)
{
    fprintf(stderr, "bench_file: %s: %s\n", what, weft_error_text(err));
    exit(1);
}

static off_t random_place(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (off_t)(state % (uint64_t)file.pages) * PAGE;
}

/* Each page begins with where it is. */
static void check_page(const char *page, ssize_t n, off_t place)
{
    off_t found;
    memcpy(&found, page, sizeof found);
    if (n != PAGE || found != place)
        die("a page is not what was written", n < 0 ? (int)n : -EIO);
}

/* The ways to read. */

static void read_by_weft(char *buffer)
{
    off_t place = random_place();
    check_page(buffer, weft_file_read_at(now.fd, buffer, PAGE, place), place);
}

struct request {
    char *buffer;
    off_t place;
};

static int ask_disk(void *arg)
{
    const struct request *request = arg;
    return (int)pread(now.fd, request->buffer, PAGE, request->place);
}

static void read_by_pool(char *buffer)
{
    struct request request = { buffer, random_place() };
    check_page(buffer, weft_blocking(ask_disk, &request, .pool = pool), request.place);
}

static int task_of_weft(void *buffer)
{
    for (long i = 0; i < now.count / TASKS; i++)
        read_by_weft(buffer);
    return 0;
}

static int task_of_pool(void *buffer)
{
    for (long i = 0; i < now.count / TASKS; i++)
        read_by_pool(buffer);
    return 0;
}

/* Runs. */

static int read_all(void)
{
    weft_scope all;
    weft_scope_begin(&all);
    for (int i = 0; i < TASKS; i++)
        weft_spawn(&all, now.task, buffers[i]);
    return weft_scope_end(&all);
}

static int main_task(void *arg)
{
    const struct row *row = arg;
    now = *row;
    now.count = WARM_UP * TASKS;
    int err = read_all();
    if (err < 0)
        return err;
    now.count = row->count;
    double cpu = bench_cpu_ns(), start = bench_now_ns();
    err = read_all();
    cpu_ns = bench_cpu_ns() - cpu;
    clock_ns = bench_now_ns() - start;
    return err;
}

static double run_loop(struct row *row, weft_fn *task)
{
    row->task = task;
    int err = weft_run(main_task, row, .backend = row->backend);
    if (err < 0)
        die("a run", err);
    return cpu_ns / (double)row->count;
}

static double run_weft(void *row)
{
    return run_loop(row, task_of_weft);
}

static double run_pool(void *arg)
{
    struct row *row = arg;
    int err = weft_pool_open(&pool, .name = "disk", .threads = row->is_direct ? TASKS : 0);
    if (err < 0)
        die("a pool", err);
    double cost = run_loop(row, task_of_pool);
    weft_pool_close(pool);
    return cost;
}

static double run_floor(void *arg)
{
    const struct row *row = arg;
    struct file_uring_read reads[TASKS];
    double cpu = bench_cpu_ns();
    for (long i = 0; i < row->count; i += TASKS) {
        for (int k = 0; k < TASKS; k++)
            reads[k] = (struct file_uring_read){ buffers[k], PAGE, random_place() };
        file_uring_read(row->fd, reads, TASKS);
        for (int k = 0; k < TASKS; k++)
            check_page(buffers[k], PAGE, reads[k].offset);
    }
    return (bench_cpu_ns() - cpu) / (double)row->count;
}

static double run_pread(void *arg)
{
    const struct row *row = arg;
    double cpu = bench_cpu_ns();
    for (long i = 0; i < row->count; i++) {
        off_t place = random_place();
        char *buffer = buffers[i % TASKS];
        check_page(buffer, pread(row->fd, buffer, PAGE, place), place);
    }
    return (bench_cpu_ns() - cpu) / (double)row->count;
}

/* Rows. */

static void note_speed(const char *side, struct row *row, double (*run)(void *row))
{
    run(row);
    bench_note("%s: %.0f reads a second", side, 1e9 * (double)row->count / clock_ns);
}

static void measure(const char *name, struct row row)
{
    if (!bench_wants(name))
        return;
    if (row.fd < 0 || (strcmp(row.backend, "uring") == 0 && !file_uring_is_here())) {
        bench_note("%s: not here", name);
        return;
    }
    bench_row(name, "ns",
              (struct bench_side[]){
                  { "weft", NULL, run_weft, &row },
                  { "floor", "batches on io_uring", file_uring_is_here() ? run_floor : NULL, &row },
                  { "pool", "weft_blocking(pread)", run_pool, &row },
                  { "pread", "a plain loop", run_pread, &row },
                  { .name = NULL } });
    note_speed("weft", &row, run_weft);
    note_speed("pool", &row, run_pool);
}

/* The file. */

static void write_pages(int fd)
{
    static char block[MIB];
    int err = -posix_fallocate(fd, 0, file.pages * PAGE);
    for (off_t at = 0; err == 0 && at < file.pages * PAGE; at += MIB) {
        for (off_t page = 0; page < MIB; page += PAGE) {
            off_t place = at + page;
            memcpy(block + page, &place, sizeof place);
        }
        ssize_t n = pwrite(fd, block, MIB, at);
        err = n == MIB ? 0 : n < 0 ? -errno : -ENOSPC;
    }
    if (err == 0 && fsync(fd) < 0)
        err = -errno;
    if (err < 0)
        die("the file to read", err);
}

/* Whether the cache keeps it all: what it has not is read, then nothing may be missing. */
static bool is_cached(int fd)
{
    static char block[MIB];
    const struct iovec piece = { block, MIB };
    for (off_t at = 0; at < file.pages * PAGE; at += MIB)
        if (pread(fd, block, MIB, at) != MIB)
            die("the file to read", -EIO);
    for (off_t at = 0; at < file.pages * PAGE; at += MIB)
        if (preadv2(fd, &piece, 1, at, RWF_NOWAIT) != MIB)
            return false;
    return true;
}

static void make_file(void)
{
    char name[] = BENCH_FOLDER "/file.XXXXXX";
    file.pages = bench_size(USUAL) * (MIB / PAGE);
    file.cached = mkostemp(name, O_CLOEXEC);
    if (file.cached < 0)
        die(name, -errno);
    file.direct = open(name, O_RDONLY | O_DIRECT | O_CLOEXEC); /* tmpfs had none before Linux 6.6 */
    unlink(name);
    write_pages(file.cached);
    if (!is_cached(file.cached))
        die("this memory does not keep the file, try a smaller --size", -ENOMEM);
}

int main(int argc, char **argv)
{
    bench_begin("file", argc, argv);
    make_file();
    measure("file/cached/epoll", (struct row){ file.cached, CACHED, false, "epoll", NULL });
    measure("file/cached/uring", (struct row){ file.cached, CACHED, false, "uring", NULL });
    measure("file/direct/epoll", (struct row){ file.direct, DIRECT, true, "epoll", NULL });
    measure("file/direct/uring", (struct row){ file.direct, DIRECT, true, "uring", NULL });
    return bench_end();
}
