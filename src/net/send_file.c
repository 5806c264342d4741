/* The kernel moves the bytes, on a thread, because it may have to wait for the disk, until the
 * socket takes no more. Then a block goes through the queue: when that has left there is room
 * again. What is small, and what goes to no socket, is all blocks. */

#include "base/error.h"
#include "base/memory.h"
#include "net/stream.h"
#include "os/file.h"

#include <weft/error.h>
#include <weft/file.h>

#define FILE_BLOCK ((size_t)16 << 10) /* of a file, through memory */
#define FILE_CHUNK ((int64_t)1 << 20) /* in one call of the kernel's */
#define FILE_SMALL ((int64_t)64 << 10)

struct file_part {
    int fd;
    int64_t offset, left, sent;
};

static void advance(struct file_part *part, int64_t size)
{
    part->offset += size;
    part->left -= size;
    part->sent += size;
}

/* 1: there may be more, 0: the file has ended; or an error. */
static int send_block(weft_stream *stream, struct file_part *part, char *block)
{
    size_t size = part->left < (int64_t)FILE_BLOCK ? (size_t)part->left : FILE_BLOCK;
    ssize_t n = weft_file_read_at(part->fd, block, size, part->offset);
    if (n <= 0)
        return (int)n;
    int err = wf_stream_write_all(stream, block, (size_t)n);
    if (err < 0)
        return err;
    advance(part, n);
    return 1;
}

/* As many as the socket takes. Likewise; what a file or a socket cannot have done for it is found
 * out, or told, by the block that follows. */
static int send_chunks(weft_stream *stream, struct file_part *part)
{
    int err = wf_stream_drain(stream);
    while (err == 0 && part->left > 0) {
        struct wf_file_call call = { .code = WF_FILE_SEND,
                                     .fd = part->fd,
                                     .other_fd = stream->ops->descriptor(stream),
                                     .offset = part->offset,
                                     .size = part->left < FILE_CHUNK ? part->left : FILE_CHUNK };
        int64_t result = wf_file_ask(&call);
        if (result > 0)
            advance(part, result);
        else if (wf_stream_is_lost(result))
            wf_stream_fail_write(stream, (int)result);
        else
            return result == -ECANCELED ? -ECANCELED : 1;
        err = stream->closed ? WEFT_ECLOSED : stream->write_error;
    }
    return err < 0 ? err : 1;
}

static int send_parts(weft_stream *stream, struct file_part *part, char *block)
{
    int more = 1;
    while (more > 0 && part->left > 0) {
        if (stream->ops->descriptor && part->left > FILE_SMALL)
            more = send_chunks(stream, part);
        if (more > 0 && part->left > 0)
            more = send_block(stream, part, block);
    }
    return more < 0 ? more : 0;
}

int64_t weft_send_file(weft_stream *stream, int fd, int64_t offset, int64_t size)
{
    struct file_part part = { fd, offset, size, 0 };
    if (offset < 0 || size < 0)
        return wf_fail(-EINVAL, "weft_send_file() with an offset or a size below 0");
    int err = wf_stream_begin_write(stream);
    if (err < 0)
        return err;
    char *block = wf_alloc(FILE_BLOCK);
    err = block ? send_parts(stream, &part, block) : -ENOMEM;
    wf_free(block);
    if (err < 0 && part.sent > 0)
        err = wf_stream_cut(stream, err, (size_t)part.sent, (size_t)size);
    wf_stream_leave_write(stream);
    return err < 0 ? err : part.sent;
}
