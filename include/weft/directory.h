#ifndef WEFT_DIRECTORY_H
#define WEFT_DIRECTORY_H

/* Folders: their entries, and what happens in them.
 *
 *     weft_directory *d;
 *     weft_directory_entry entry;
 *     int err = weft_directory_open(&d, "/var/spool/jobs");
 *     while ((err = weft_directory_next(d, &entry)) > 0)
 *         printf("%s\n", entry.name);
 *     weft_directory_close(d);
 *
 * A watch tells of changes in one or several folders, by the kernel's inotify:
 *
 *     weft_directory_watch *watch;
 *     weft_directory_event event;
 *     weft_directory_watch_open(&watch);
 *     weft_directory_watch_add(watch, "/etc/shop", WEFT_DIRECTORY_WRITTEN);
 *     while (weft_directory_watch_next(watch, &event) >= 0)
 *         reload(event.name); */

#include <weft/define.h>
#include <weft/loop.h>

WEFT_BEGIN_DECLS

typedef struct weft_directory weft_directory;
typedef struct weft_directory_watch weft_directory_watch;

enum weft_entry_type {
    WEFT_ENTRY_UNKNOWN, /* the file system does not say: weft_file_stat_link() does */
    WEFT_ENTRY_FILE,
    WEFT_ENTRY_DIRECTORY,
    WEFT_ENTRY_LINK,
    WEFT_ENTRY_SOCKET,
    WEFT_ENTRY_FIFO,
    WEFT_ENTRY_DEVICE, /* of blocks or characters */
};

struct weft_directory_entry {
    const char *name; /* the folder's, until the next call */
    uint64_t inode;
    enum weft_entry_type type;
};
typedef struct weft_directory_entry weft_directory_entry;

/* What may be asked for, and is told. */
enum weft_directory_change {
    WEFT_DIRECTORY_CREATED = 1,
    WEFT_DIRECTORY_DELETED = 2,
    WEFT_DIRECTORY_MODIFIED = 4, /* at each write */
    WEFT_DIRECTORY_WRITTEN = 8,  /* closed by who could write */
    WEFT_DIRECTORY_ATTRIBUTES = 16,
    WEFT_DIRECTORY_MOVED_FROM = 32, /* a rename away, and */
    WEFT_DIRECTORY_MOVED_TO = 64,   /* to here, with the same cookie */
    WEFT_DIRECTORY_ALL = 127,
    /* Told without being asked for. */
    WEFT_DIRECTORY_GONE = 128, /* the folder itself: its id means nothing any more */
    WEFT_DIRECTORY_LOST = 256, /* more happened than the kernel could keep: look for yourself */
};

struct weft_directory_event {
    int id;            /* which folder, as weft_directory_watch_add() has called it; LOST: -1 */
    unsigned changes;  /* enum weft_directory_change */
    uint32_t cookie;   /* of a rename */
    bool is_directory; /* what has changed is a folder */
    const char *name;  /* in that folder; "": the folder itself. The watch's, until the next call */
};
typedef struct weft_directory_event weft_directory_event;

/** Open a folder, to see its entries.
 *
 * Returns: 0, and the folder in *directory.
 * Errors: openat's (-ENOENT, -EACCES, -ENOTDIR, -EMFILE, …); -EAGAIN: no thread could be started;
 *   -ENOMEM; -ECANCELED; -EPERM outside a task.
 * Suspends: until the kernel has found it.
 * Cancel: waits for the call; a folder that was opened is returned.
 * Ownership: borrows the path; gives the folder, ended by weft_directory_close().
 * Threads: a loop's own. */
WEFT_API
WEFT_SUSPENDS
int weft_directory_open(weft_directory **directory, const char *path);

/** The next entry, in the file system's order, without "." and "..". What is made or deleted
 * meanwhile may be among them or not.
 *
 * Returns: 1, and *entry; 0 after the last one, again and again.
 * Errors: getdents64's (-EIO, -ENOENT: the folder was deleted); -EBUSY while another task waits;
 *   -EAGAIN, -ENOMEM, -ECANCELED and -EPERM as others.
 * Suspends: once for some hundred entries.
 * Cancel: waits for the call; loses no entry.
 * Ownership: the name is the folder's until the next call.
 * Threads: one at a time. */
WEFT_API
WEFT_SUSPENDS
int weft_directory_next(weft_directory *directory, weft_directory_entry *entry);

/** Close a folder.
 *
 * Returns: 0.
 * Errors: those of weft_file_close(); -EBUSY: a task waits for entries; the folder stays.
 * Suspends: as weft_file_close().
 * Cancel: not while it runs.
 * Ownership: takes the folder. NULL is allowed.
 * Threads: any. */
WEFT_API
WEFT_SUSPENDS
int weft_directory_close(weft_directory *directory);

/** Make a watch, which watches nothing yet.
 *
 * Returns: 0, and the watch in *watch.
 * Errors: -ENOMEM; -EMFILE: the user's number of watches (fs.inotify.max_user_instances), or of
 *   descriptors.
 * Suspends: never.
 * Cancel: never delivered here.
 * Ownership: gives the watch, ended by weft_directory_watch_close().
 * Threads: any. */
WEFT_API
int weft_directory_watch_open(weft_directory_watch **watch);

/** Watch a folder, or a file, for changes of enum weft_directory_change. What is below its folders
 * is not watched. Watching it once more replaces what was asked for.
 *
 * Returns: its id, > 0.
 * Errors: -ENOENT, -EACCES, -ENOTDIR; -ENOSPC: fs.inotify.max_user_watches are in use; -EINVAL: no
 *   changes; -EAGAIN, -ENOMEM, -ECANCELED, -EPERM as others.
 * Suspends: until the kernel has found it.
 * Cancel: waits for the call; what is watched is returned.
 * Ownership: borrows the path until the return.
 * Threads: a loop's own. */
WEFT_API
WEFT_SUSPENDS
int weft_directory_watch_add(weft_directory_watch *watch, const char *path, unsigned changes);

/** Do not watch it any more. Events that were there may still be told; the last of its id is
 * WEFT_DIRECTORY_GONE.
 *
 * Returns: 0.
 * Errors: -EINVAL: no folder of the watch has the id.
 * Suspends: never.
 * Cancel: never delivered here.
 * Ownership: none.
 * Threads: any. */
WEFT_API
int weft_directory_watch_remove(weft_directory_watch *watch, int id);

/** Wait for the next event, in the order in which they have happened. One event may have several
 * changes; the kernel tells equal ones in a row once.
 *
 * Returns: 0, and *event.
 * Errors: -EBUSY while another task waits; -ECANCELED, -EPERM as others.
 * Suspends: until there is one.
 * Cancel: at once; loses no event.
 * Ownership: the name is the watch's until the next call.
 * Threads: one loop's. */
WEFT_API
WEFT_SUSPENDS
int weft_directory_watch_next(weft_directory_watch *watch, weft_directory_event *event);

/** End a watch, for which nobody waits.
 *
 * Returns: 0. The kernel takes some milliseconds for it, which hold the loop.
 * Errors: -EBUSY: a task waits; the watch stays.
 * Suspends: never.
 * Cancel: never delivered here.
 * Ownership: takes the watch. NULL is allowed.
 * Threads: any. */
WEFT_API
int weft_directory_watch_close(weft_directory_watch *watch);

WEFT_END_DECLS

#endif
