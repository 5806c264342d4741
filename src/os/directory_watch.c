/* What happens in folders: the kernel's inotify, a block of events at a time. */

#include "os/file.h"

#include "base/error.h"
#include "base/memory.h"
#include "io/fault.h"

#include <errno.h>
#include <sys/inotify.h>
#include <unistd.h>
#include <weft/directory.h>

#define BLOCK_SIZE ((size_t)4 << 10)

struct weft_directory_watch {
    int fd;
    bool awaited;
    size_t used, size; /* of the block */
    _Alignas(struct inotify_event) char block[BLOCK_SIZE];
};

static const struct {
    unsigned ours;
    uint32_t kernels;
} changes[] = {
    { WEFT_DIRECTORY_CREATED, IN_CREATE },    { WEFT_DIRECTORY_DELETED, IN_DELETE },
    { WEFT_DIRECTORY_MODIFIED, IN_MODIFY },   { WEFT_DIRECTORY_WRITTEN, IN_CLOSE_WRITE },
    { WEFT_DIRECTORY_ATTRIBUTES, IN_ATTRIB }, { WEFT_DIRECTORY_MOVED_FROM, IN_MOVED_FROM },
    { WEFT_DIRECTORY_MOVED_TO, IN_MOVED_TO }, { WEFT_DIRECTORY_GONE, IN_IGNORED },
    { WEFT_DIRECTORY_LOST, IN_Q_OVERFLOW },
};

#define CHANGES (sizeof changes / sizeof changes[0])

static int open_fd(void)
{
    return wf_io_fault_hits(WF_FAULT_FILE) ? -1 : inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
}

int weft_directory_watch_open(weft_directory_watch **out)
{
    weft_directory_watch *watch = wf_alloc(sizeof *watch);
    if (!watch)
        return -ENOMEM;
    watch->awaited = false;
    watch->used = watch->size = 0;
    watch->fd = open_fd();
    if (watch->fd < 0) {
        int err = -errno;
        wf_free(watch);
        return err;
    }
    *out = watch;
    return 0;
}

int weft_directory_watch_add(weft_directory_watch *watch, const char *path, unsigned asked)
{
    uint32_t mask = 0;
    for (size_t i = 0; i < CHANGES; i++)
        if (asked & WEFT_DIRECTORY_ALL & changes[i].ours)
            mask |= changes[i].kernels;
    if (mask == 0)
        return -EINVAL;
    struct wf_file_call call = {
        .code = WF_FILE_WATCH, .fd = watch->fd, .path = path, .flags = (int)mask
    };
    return (int)wf_file_ask(&call);
}

int weft_directory_watch_remove(weft_directory_watch *watch, int id)
{
    return inotify_rm_watch(watch->fd, id) < 0 ? -errno : 0;
}

static int refill(weft_directory_watch *watch)
{
    ssize_t size;
    while ((size = read(watch->fd, watch->block, BLOCK_SIZE)) < 0) {
        if (errno == EINTR)
            continue;
        if (errno != EAGAIN)
            return -errno;
        int err = weft_poll_fd(watch->fd, WEFT_READABLE);
        if (err < 0)
            return err;
    }
    watch->used = 0;
    watch->size = (size_t)size;
    return 0;
}

static void tell(weft_directory_event *event, const struct inotify_event *told)
{
    *event = (weft_directory_event){ .id = told->wd,
                                     .cookie = told->cookie,
                                     .is_directory = told->mask & IN_ISDIR,
                                     .name = told->len > 0 ? told->name : "" };
    for (size_t i = 0; i < CHANGES; i++)
        if (told->mask & changes[i].kernels)
            event->changes |= changes[i].ours;
}

/* Some are about nothing that was asked for: a file system that goes is told twice. */
static int next(weft_directory_watch *watch, weft_directory_event *event)
{
    do {
        int err = watch->used < watch->size ? 0 : refill(watch);
        if (err < 0)
            return err;
        const struct inotify_event *told = (const void *)(watch->block + watch->used);
        watch->used += sizeof *told + told->len;
        tell(event, told);
    } while (event->changes == 0);
    return 0;
}

int weft_directory_watch_next(weft_directory_watch *watch, weft_directory_event *event)
{
    weft_task *task;
    if (watch->awaited)
        return wf_fail(-EBUSY, "another task waits for the events of this watch");
    watch->awaited = true; /* before wf_enter(), which may give up the processor */
    int err = wf_enter(&task);
    if (err == 0)
        err = next(watch, event);
    watch->awaited = false;
    return err;
}

int weft_directory_watch_close(weft_directory_watch *watch)
{
    if (!watch)
        return 0;
    if (watch->awaited)
        return wf_fail(-EBUSY, "a task waits for the events of this watch");
    close(watch->fd);
    wf_free(watch);
    return 0;
}
