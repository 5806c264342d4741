/* One run of bytes with a read and a write index: the picture is in weft/buffer.h.
 *
 * Storage is in one of three states:
 *
 *      none    storage NULL, capacity 0               -> reserve, adopt
 *      own     from `source` or the allocator         kept when drained, until released by hand
 *      lent    by a driver, give_back set             goes back when drained or outgrown
 *
 * Making room moves readable bytes only if what was consumed is at least half of them, so a byte
 * is moved at most twice on average, or if the storage is already as large as the limit needs. */

#include "base/buffer.h"

#include "base/memory.h"

#include <weft/error.h>

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define CAPACITY_MIN 4096

char *wf_buffer_storage_acquire(const struct wf_buffer_storage *source, size_t size,
                                size_t *capacity)
{
    if (source)
        return source->acquire(source->context, size, capacity);
    *capacity = size;
    return wf_alloc(size);
}

void wf_buffer_storage_release(const struct wf_buffer_storage *source, char *storage,
                               size_t capacity)
{
    if (source)
        source->release(source->context, storage, capacity);
    else
        wf_free(storage);
}

void weft_buffer_init(weft_buffer *buffer, size_t limit)
{
    *buffer = (weft_buffer){ .limit = limit ? limit : WEFT_BUFFER_LIMIT };
}

/* To the state "none", whatever is readable. */
static void release(weft_buffer *buffer)
{
    if (buffer->give_back)
        buffer->give_back(buffer->lender, buffer->storage, buffer->capacity);
    else if (buffer->storage)
        wf_buffer_storage_release(buffer->source, buffer->storage, buffer->capacity);
    buffer->storage = NULL;
    buffer->read = buffer->write = buffer->capacity = 0;
    buffer->give_back = NULL;
    buffer->lender = NULL;
}

void weft_buffer_fini(weft_buffer *buffer)
{
    if (buffer)
        release(buffer);
}

void weft_buffer_release_if_empty(weft_buffer *buffer)
{
    if (buffer->read == buffer->write)
        release(buffer);
}

static void move_to_front(weft_buffer *buffer)
{
    size_t readable = weft_buffer_readable(buffer);
    memmove(buffer->storage, buffer->storage + buffer->read, readable);
    buffer->read = 0;
    buffer->write = readable;
}

/* The next capacity: twice the last one, within the limit, and `need` in any case. */
static size_t larger_capacity(const weft_buffer *buffer, size_t need)
{
    size_t capacity = CAPACITY_MIN;
    if (buffer->capacity >= CAPACITY_MIN)
        capacity = buffer->capacity <= SIZE_MAX / 2 ? buffer->capacity * 2 : SIZE_MAX;
    if (capacity > buffer->limit)
        capacity = buffer->limit;
    return capacity > need ? capacity : need;
}

static int move_to_larger(weft_buffer *buffer, size_t need)
{
    size_t readable = weft_buffer_readable(buffer);
    size_t capacity;
    char *storage =
        wf_buffer_storage_acquire(buffer->source, larger_capacity(buffer, need), &capacity);
    if (!storage)
        return -ENOMEM;
    if (readable > 0)
        memcpy(storage, buffer->storage + buffer->read, readable);
    release(buffer);
    buffer->storage = storage;
    buffer->capacity = capacity;
    buffer->write = readable;
    return 0;
}

/* Room for `size` bytes behind `write`, whatever the limit says. */
WF_NOINLINE static int make_room(weft_buffer *buffer, size_t size)
{
    size_t readable = weft_buffer_readable(buffer);
    bool is_enough = buffer->capacity - readable >= size && buffer->storage;
    bool is_cheap = buffer->read >= readable / 2;
    if (is_enough && (is_cheap || buffer->capacity >= buffer->limit)) {
        move_to_front(buffer);
        return 0;
    }
    return move_to_larger(buffer, readable + size);
}

static inline int ensure(weft_buffer *buffer, size_t size)
{
    if (WF_UNLIKELY(size > buffer->limit - weft_buffer_readable(buffer)))
        return WEFT_ELIMIT;
    if (WF_UNLIKELY(size > buffer->capacity - buffer->write))
        return make_room(buffer, size);
    return 0;
}

int weft_buffer_reserve(weft_buffer *buffer, size_t size, char **space)
{
    int err = ensure(buffer, size);
    if (err < 0)
        return err;
    *space = buffer->storage ? buffer->storage + buffer->write : NULL;
    return 0;
}

void weft_buffer_commit(weft_buffer *buffer, size_t size)
{
    wf_assert(size <= weft_buffer_writable(buffer));
    buffer->write += size;
}

void weft_buffer_consume(weft_buffer *buffer, size_t size)
{
    wf_assert(size <= weft_buffer_readable(buffer));
    buffer->read += size;
    if (buffer->read < buffer->write)
        return;
    buffer->read = buffer->write = 0;
    if (buffer->give_back)
        release(buffer);
}

int weft_buffer_append(weft_buffer *buffer, const void *data, size_t size)
{
    int err = ensure(buffer, size);
    if (err < 0 || size == 0)
        return err;
    memcpy(buffer->storage + buffer->write, data, size);
    buffer->write += size;
    return 0;
}

/* What vsnprintf answers for the room that is left, which it may fill. */
WEFT_PRINTF(2, 0)
static int try_print(weft_buffer *buffer, const char *format, va_list list)
{
    char *space = buffer->storage ? buffer->storage + buffer->write : NULL;
    return vsnprintf(space, buffer->capacity - buffer->write, format, list);
}

/* printf wants a byte more than the text, for its NUL, which the limit does not count. */
WEFT_PRINTF(2, 0)
static int print(weft_buffer *buffer, const char *format, va_list list)
{
    va_list again;
    va_copy(again, list);
    int size = try_print(buffer, format, list);
    int err = size < 0 ? -EINVAL : 0;
    if (!err && (size_t)size > buffer->limit - weft_buffer_readable(buffer))
        err = WEFT_ELIMIT;
    if (!err && (size_t)size >= buffer->capacity - buffer->write) {
        err = make_room(buffer, (size_t)size + 1);
        if (!err)
            try_print(buffer, format, again);
    }
    if (!err)
        buffer->write += (size_t)size;
    va_end(again);
    return err;
}

int weft_buffer_append_format(weft_buffer *buffer, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    int err = print(buffer, format, list);
    va_end(list);
    return err;
}

ssize_t weft_buffer_find(const weft_buffer *buffer, size_t from, const void *needle, size_t size)
{
    size_t readable = weft_buffer_readable(buffer);
    if (from > readable)
        return -1;
    if (size == 0)
        return (ssize_t)from;
    if (size > readable - from)
        return -1;
    const char *data = weft_buffer_data(buffer);
    const char *found = size == 1
                            ? memchr(data + from, *(const unsigned char *)needle, readable - from)
                            : memmem(data + from, readable - from, needle, size);
    return found ? found - data : -1;
}

weft_slice weft_buffer_slice(const weft_buffer *buffer, size_t from, size_t size)
{
    size_t readable = weft_buffer_readable(buffer);
    wf_assert(from <= readable && size <= readable - from);
    char *data = weft_buffer_data(buffer);
    return (weft_slice){ .data = data ? data + from : NULL, .size = size };
}

int wf_buffer_adopt(weft_buffer *buffer, char *storage, size_t capacity, size_t used,
                    void (*give_back)(void *lender, char *storage, size_t capacity), void *lender)
{
    wf_assert(weft_buffer_readable(buffer) == 0 && used > 0 && used <= capacity && give_back);
    if (used > buffer->limit)
        return WEFT_ELIMIT;
    release(buffer);
    buffer->storage = storage;
    buffer->capacity = capacity;
    buffer->write = used;
    buffer->give_back = give_back;
    buffer->lender = lender;
    return 0;
}
