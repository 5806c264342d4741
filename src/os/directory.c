/* A folder's entries, a block of them at a time. */

#include "os/file.h"

#include "base/error.h"
#include "base/memory.h"

#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <weft/directory.h>
#include <weft/file.h>

#define BLOCK_SIZE ((size_t)32 << 10)

struct weft_directory {
    int fd;
    bool awaited;
    size_t used, size; /* of the block */
    _Alignas(struct dirent64) char block[BLOCK_SIZE];
};

int weft_directory_open(weft_directory **out, const char *path)
{
    weft_directory *directory = wf_alloc(sizeof *directory);
    if (!directory)
        return -ENOMEM;
    directory->awaited = false;
    directory->used = directory->size = 0;
    directory->fd = weft_file_open(path, O_RDONLY | O_DIRECTORY);
    if (directory->fd < 0) {
        int err = directory->fd;
        wf_free(directory);
        return err;
    }
    *out = directory;
    return 0;
}

static int refill(weft_directory *directory)
{
    struct wf_file_call call = {
        .code = WF_FILE_ENTRIES, .fd = directory->fd, .buffer = directory->block, .size = BLOCK_SIZE
    };
    directory->awaited = true; /* the kernel has the block */
    int64_t size = wf_file_ask(&call);
    directory->awaited = false;
    if (size <= 0)
        return (int)size;
    directory->used = 0;
    directory->size = (size_t)size;
    return 1;
}

static enum weft_entry_type type_of(unsigned char type)
{
    switch (type) {
    case DT_REG:
        return WEFT_ENTRY_FILE;
    case DT_DIR:
        return WEFT_ENTRY_DIRECTORY;
    case DT_LNK:
        return WEFT_ENTRY_LINK;
    case DT_SOCK:
        return WEFT_ENTRY_SOCKET;
    case DT_FIFO:
        return WEFT_ENTRY_FIFO;
    case DT_BLK:
    case DT_CHR:
        return WEFT_ENTRY_DEVICE;
    default:
        return WEFT_ENTRY_UNKNOWN;
    }
}

static bool is_itself_or_above(const char *name)
{
    return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

int weft_directory_next(weft_directory *directory, weft_directory_entry *entry)
{
    if (directory->awaited)
        return wf_fail(-EBUSY, "another task waits for the entries of this folder");
    for (;;) {
        int more = directory->used < directory->size ? 1 : refill(directory);
        if (more <= 0)
            return more;
        const struct dirent64 *found = (const void *)(directory->block + directory->used);
        directory->used += found->d_reclen;
        if (is_itself_or_above(found->d_name))
            continue;
        *entry = (weft_directory_entry){ .name = found->d_name,
                                         .inode = found->d_ino,
                                         .type = type_of(found->d_type) };
        return 1;
    }
}

int weft_directory_close(weft_directory *directory)
{
    if (!directory)
        return 0;
    if (directory->awaited)
        return wf_fail(-EBUSY, "a task waits for the entries of this folder");
    int err = weft_file_close(directory->fd);
    wf_free(directory);
    return err;
}
