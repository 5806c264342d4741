/* Files, folders, watches and locks under the torture driver. What a call has answered is compared
 * with what the file system shows: who was refused has done nothing, who was served has done it.
 *
 * All happens in a folder in memory, where there is one: a disk would take its time to sync. */

#include "torture.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <weft/directory.h>
#include <weft/error.h>
#include <weft/file.h>
#include <weft/scope.h>
#include <weft/stream.h>
#include <weft/task.h>

static char folder[32];

static const char *in_folder(const char *name)
{
    static char paths[4][64];
    static unsigned next;
    char *path = paths[next++ % 4];
    snprintf(path, sizeof paths[0], "%s/%s", folder, name);
    return path;
}

static bool exists(const char *name)
{
    return access(in_folder(name), F_OK) == 0;
}

static int remove_below(const char *path, const struct stat *status, int type, struct FTW *where)
{
    (void)status, (void)type;
    return where->level > 0 ? remove(path) : 0;
}

/* What runs before have left because their end was cancelled, or failed. */
static void empty_folder(void)
{
    torture_require(nftw(folder, remove_below, 8, FTW_DEPTH | FTW_PHYS) == 0);
}

static void remove_folder(void)
{
    empty_folder();
    rmdir(folder);
}

static bool is_empty(void)
{
    return rmdir(folder) == 0 && mkdir(folder, 0700) == 0;
}

static int64_t deadline(void)
{
    return torture_is_calm() ? 0 : WEFT_SECOND;
}

static void check(int result)
{
    if (torture_is_calm())
        torture_require(result == 0 && is_empty());
    torture_accept(result);
}

/* One task waits for another, whom a deadline stands in for. */
static void check_deadline(int result)
{
    check(result == -ETIMEDOUT && !torture_is_calm() ? 0 : result);
}

/* Nobody else opens anything here. */
static int close_file(int fd)
{
    int err = weft_file_close(fd);
    torture_require(fcntl(fd, F_GETFD) < 0);
    torture_accept(err);
    return err;
}

/* Unless who was to make it has failed. */
static int unlink_file(const char *name)
{
    torture_require(exists(name) || !torture_is_calm());
    if (!exists(name))
        return 0;
    int err = weft_file_unlink(in_folder(name));
    torture_require(exists(name) == (err < 0));
    return err;
}

static int open_new(const char *name)
{
    int fd = weft_file_open(in_folder(name), O_RDWR | O_CREAT | O_EXCL);
    torture_require(exists(name) == (fd >= 0));
    return fd;
}

/* Transfers: what was said to be moved was. */

static int settle(ssize_t n, ssize_t wanted)
{
    torture_require(n <= wanted && (n == wanted || !torture_is_calm()));
    torture_accept(n);
    return n < 0 ? (int)n : 0;
}

static void require_file(int fd, const char *data, ssize_t size, off_t offset)
{
    char found[64];
    torture_require(size <= 0 || pread(fd, found, sizeof found, offset) >= size);
    torture_require(size <= 0 || memcmp(found, data, (size_t)size) == 0);
}

static int write_file(int fd)
{
    struct iovec pieces[] = { { (char *)"several", 7 }, { NULL, 0 }, { (char *)"pieces", 6 } };
    ssize_t n = weft_file_write_at(fd, "one piece", 9, 0);
    require_file(fd, "one piece", n, 0);
    int err = settle(n, 9);
    if (err < 0)
        return err;
    n = weft_file_writev_at(fd, pieces, 3, 100);
    require_file(fd, "severalpieces", n, 100);
    return settle(n, 13);
}

static int read_file(int fd)
{
    char a[5], b[16];
    struct iovec pieces[] = { { a, sizeof a }, { NULL, 0 }, { b, sizeof b } };
    ssize_t n = weft_file_read_at(fd, b, sizeof b, 100);
    torture_require(n <= 0 || memcmp(b, "severalpieces", (size_t)n) == 0);
    if (n < 0)
        return settle(n, 13);
    n = weft_file_readv_at(fd, pieces, 3, 100);
    torture_require(n < 5 ||
                    (memcmp(a, "sever", 5) == 0 && memcmp(b, "alpieces", (size_t)n - 5) == 0));
    return settle(n, 13);
}

static int change_whole(int fd)
{
    weft_file_info info = { .size = 0 };
    int err = weft_file_truncate(fd, 5000);
    if (err == 0)
        err = weft_file_allocate(fd, 4096, 4096, WEFT_ALLOCATE_KEEP_SIZE);
    if (err == 0)
        err = weft_file_advise(fd, 0, 0, WEFT_ADVISE_RANDOM);
    if (err == 0)
        err = weft_file_sync(fd);
    if (err == 0)
        err = weft_file_sync_data(fd);
    if (err == 0)
        err = weft_file_stat_fd(fd, &info);
    torture_require(info.size == (err == 0 ? 5000 : 0));
    return err;
}

static int copy_and_map(int fd)
{
    void *memory;
    int64_t n = weft_file_copy(fd, 0, fd, 2000, 9);
    require_file(fd, "one piece", n, 2000);
    int err = settle(n, 9);
    if (err == 0)
        err = weft_file_map(&memory, fd, 4096, .write = true);
    if (err < 0)
        return err;
    torture_require(memcmp(memory, "one", 3) == 0);
    err = weft_file_map_sync(memory, 4096);
    weft_file_unmap(memory, 4096);
    return err;
}

static int use_file(int fd)
{
    int err = write_file(fd);
    if (err == 0)
        err = read_file(fd);
    if (err == 0)
        err = change_whole(fd);
    return err < 0 ? err : copy_and_map(fd);
}

static int file(void *arg)
{
    (void)arg;
    int fd = open_new("a");
    if (fd < 0)
        return fd;
    int err = use_file(fd);
    int closed = close_file(fd);
    if (err < 0 || closed < 0)
        return err < 0 ? err : closed;
    err = weft_file_rename(in_folder("a"), in_folder("b"), 0);
    torture_require(exists("a") == (err < 0) && exists("b") == (err == 0));
    return err < 0 ? err : unlink_file("b");
}

/* Closing is done, whatever has failed: also in a cancelled scope, and many times. */
static int closes(void *arg)
{
    (void)arg;
    int fds[8], err = 0, count = 0;
    while (count < 8 && (fds[count] = weft_file_open(folder, O_RDONLY)) >= 0)
        count++;
    if (count < 8)
        err = fds[count];
    weft_scope s;
    weft_scope_begin(&s);
    weft_scope_cancel(&s, "the scenario");
    for (int i = 0; i < count / 2; i++)
        close_file(fds[i]);
    weft_scope_end(&s);
    for (int i = count / 2; i < count; i++)
        close_file(fds[i]);
    return err;
}

/* Folders. */

static int look_around(weft_directory *directory)
{
    weft_directory_entry entry;
    unsigned seen = 0;
    int more;
    while ((more = weft_directory_next(directory, &entry)) > 0) {
        torture_require(entry.name[0] >= 'a' && entry.name[0] <= 'c' && !entry.name[1]);
        torture_require(!(seen & 1u << (entry.name[0] - 'a')));
        seen |= 1u << (entry.name[0] - 'a');
    }
    torture_require(more < 0 || seen == 7);
    return more;
}

static int fill_folder(void)
{
    for (const char *name = "a\0b\0c\0"; *name; name += 2) {
        int err = weft_file_mkdir(in_folder(name), 0700);
        torture_require(exists(name) == (err == 0));
        if (err < 0)
            return err;
    }
    return 0;
}

static int clear_folder(void)
{
    for (const char *name = "a\0b\0c\0"; *name; name += 2) {
        int err = weft_file_rmdir(in_folder(name));
        torture_require(exists(name) == (err < 0));
        if (err < 0)
            return err;
    }
    return 0;
}

static int entries(void *arg)
{
    (void)arg;
    weft_directory *directory;
    int err = fill_folder();
    if (err == 0)
        err = weft_directory_open(&directory, folder);
    if (err < 0)
        return err;
    err = look_around(directory);
    int closed = weft_directory_close(directory);
    torture_accept(closed);
    return err < 0 ? err : clear_folder();
}

static int change(void *arg)
{
    (void)arg;
    int err = weft_sleep(WEFT_MILLISECOND);
    int fd = err < 0 ? err : open_new("x");
    if (fd < 0)
        return fd;
    ssize_t n = weft_file_write_at(fd, "news", 4, 0);
    err = close_file(fd);
    return n < 0 ? (int)n : err;
}

/* What has happened comes in order: made, perhaps modified, then closed. */
static int see_change(weft_directory_watch *watch, int id)
{
    weft_directory_event event = { .changes = 0 };
    bool was_made = false;
    int err = 0;
    while (!(event.changes & WEFT_DIRECTORY_WRITTEN)) {
        err = weft_directory_watch_next(watch, &event);
        if (err < 0)
            return err;
        torture_require(event.id == id && strcmp(event.name, "x") == 0);
        torture_require(was_made || event.changes == WEFT_DIRECTORY_CREATED);
        was_made = true;
    }
    return 0;
}

static int watch_folder(weft_directory_watch *watch)
{
    weft_scope s;
    int id =
        weft_directory_watch_add(watch, folder, WEFT_DIRECTORY_CREATED | WEFT_DIRECTORY_WRITTEN);
    if (id < 0)
        return id;
    weft_scope_begin(&s, .timeout = deadline());
    int err = weft_spawn(&s, change, NULL);
    if (err == 0)
        err = see_change(watch, id);
    return weft_scope_leave(&s, err);
}

static int watches(void *arg)
{
    (void)arg;
    weft_directory_watch *watch;
    int err = weft_directory_watch_open(&watch);
    if (err < 0)
        return err;
    err = watch_folder(watch);
    torture_require(weft_directory_watch_close(watch) == 0);
    return err < 0 ? err : unlink_file("x");
}

/* Locks: one at a time, and nobody when all is over. */

static int inside;

static bool is_locked(void)
{
    int fd = open(in_folder("lock"), O_RDWR | O_CLOEXEC);
    struct flock range = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
    torture_require(fd >= 0 && fcntl(fd, F_OFD_GETLK, &range) == 0);
    close(fd);
    return range.l_type != F_UNLCK;
}

static int lock_once(int fd)
{
    int err = weft_file_lock(fd, WEFT_LOCK_EXCLUSIVE);
    if (err < 0)
        return err;
    torture_require(inside++ == 0);
    err = weft_sleep(5 * WEFT_MILLISECOND);
    torture_require(is_locked());
    inside--;
    torture_require(weft_file_unlock(fd, 0, 0) == 0);
    return err;
}

static int lock_a_while(void *arg)
{
    int err = weft_sleep(*(int64_t *)arg);
    int fd = err < 0 ? err : weft_file_open(in_folder("lock"), O_RDWR | O_CREAT);
    if (fd < 0)
        return fd;
    err = lock_once(fd);
    int closed = close_file(fd);
    return err < 0 ? err : closed;
}

static int locks(void *arg)
{
    (void)arg;
    int64_t now = 0, later = WEFT_MILLISECOND;
    weft_scope s;
    inside = 0;
    weft_scope_begin(&s, .timeout = deadline());
    int err = weft_spawn(&s, lock_a_while, &now);
    if (err == 0)
        err = weft_spawn(&s, lock_a_while, &later);
    err = weft_scope_leave(&s, err);
    torture_require(inside == 0 && (!exists("lock") || !is_locked()));
    return err < 0 ? err : unlink_file("lock");
}

/* A file sent to who reads slowly at first: what arrives is its beginning, and all of it when both
 * say so. */

enum { LARGE = 150000, SKIPPED = 10 };

static int large_file = -1;

static struct {
    int64_t answer; /* the sender's */
    int64_t received;
    bool has_ended;
} sending;

static char pattern(int64_t i)
{
    return (char)(i * 31 + i / 251);
}

static void make_large_file(void)
{
    static char data[LARGE];
    for (int i = 0; i < LARGE; i++)
        data[i] = pattern(i);
    large_file = memfd_create("large", MFD_CLOEXEC);
    torture_require(pwrite(large_file, data, LARGE, 0) == LARGE);
}

static int send_large(void *arg)
{
    weft_stream *stream = arg;
    sending.answer = weft_send_file(stream, large_file, SKIPPED, LARGE);
    torture_require(sending.answer < 0 || sending.answer == LARGE - SKIPPED);
    int err = sending.answer < 0 ? (int)sending.answer : weft_shutdown_write(stream);
    if (err < 0)
        weft_stream_tear(stream);
    return err;
}

static int receive_large(weft_stream *stream)
{
    static char data[50000];
    ssize_t n;
    while ((n = weft_read(stream, data, sizeof data)) > 0) {
        for (ssize_t i = 0; i < n; i++)
            torture_require(data[i] == pattern(SKIPPED + sending.received + i));
        sending.received += n;
        int err = weft_sleep(0);
        if (err < 0)
            return err;
    }
    sending.has_ended = n == 0;
    return (int)n;
}

static void close_stream(void *stream)
{
    weft_close(stream);
}

static int exchange(weft_stream *from, weft_stream *to)
{
    weft_scope s;
    weft_scope_begin(&s, .timeout = deadline());
    int err = weft_spawn(&s, send_large, from, .drop = close_stream);
    if (err == 0)
        err = receive_large(to);
    weft_close(to);
    return weft_scope_leave(&s, err);
}

static int send_mem(void *arg)
{
    (void)arg;
    weft_stream *from, *to;
    int err = weft_memory_pair(&from, &to);
    return err < 0 ? err : exchange(from, to);
}

static int send_tcp(void *arg)
{
    (void)arg;
    weft_listener *listener;
    weft_stream *from = NULL, *to;
    int err = weft_listen(&listener, "127.0.0.1:0");
    if (err < 0)
        return err;
    err = weft_connect(&from, weft_listener_address(listener));
    if (err == 0)
        err = weft_accept(listener, &to);
    if (err < 0)
        weft_close(from);
    weft_listener_close(listener);
    return err < 0 ? err : exchange(from, to);
}

static void begin_sending(void)
{
    sending.answer = 0;
    sending.received = 0;
    sending.has_ended = false;
}

/* Who leaves early sends the other one away, by EPIPE and the like. */
static void check_sending(int result)
{
    const int64_t all = LARGE - SKIPPED;
    if (torture_is_calm())
        torture_require(result == 0 && sending.answer == all && sending.has_ended);
    torture_require(sending.received <= all);
    if (sending.has_ended)
        torture_require(sending.received == all || sending.received == 0);
}

static const struct torture_scenario scenarios[] = {
    { "file", file, empty_folder, check },
    { "closes", closes, empty_folder, check, .strict = true, .fewer = 3 },
    { "entries", entries, empty_folder, check, .fewer = 3 },
    /* The kernel takes milliseconds to close a watch. */
    { "watches", watches, empty_folder, check_deadline, .fewer = 10 },
    { "locks", locks, empty_folder, check_deadline, .fewer = 3 },
    { "send-mem", send_mem, begin_sending, check_sending, .short_bytes = 5000, .fewer = 3 },
    { "send-tcp", send_tcp, begin_sending, check_sending, .short_bytes = 5000, .fewer = 3 },
};

int main(void)
{
    const char *memory = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
    snprintf(folder, sizeof folder, "%s/weft-torture-XXXXXX", memory);
    torture_require(mkdtemp(folder));
    atexit(remove_folder);
    make_large_file();
    int status = torture(scenarios, TORTURE_COUNT(scenarios));
    close(large_file);
    return status;
}
