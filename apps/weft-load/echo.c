/* Bytes that come back as they are. */

#include "target.h"

#include <errno.h>
#include <stdlib.h>

static int render(struct target *target, const char *authority, const char *path,
                  const struct request_options *options)
{
    (void)authority;
    if (path[0] != '\0' && (path[0] != '/' || path[1] != '\0'))
        return -EINVAL;
    target->request_size = options->body ? options->body_size : options->size;
    if (target->request_size == 0)
        return -EINVAL;
    target->request = malloc(target->request_size);
    if (target->request == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < target->request_size; i++)
        target->request[i] = options->body ? options->body[i] : (char)('a' + i % 26);
    target->expected = (struct expectation){ 0, target->request_size, target->request };
    return 0;
}

static ssize_t read_answer(struct reading *reading, struct target *target, const char *window,
                           size_t size)
{
    size_t left = target->request_size - (size_t)reading->size;
    reading->begun = true;
    reading->piece = window;
    reading->piece_size = size < left ? size : left;
    reading->done = size >= left;
    return (ssize_t)reading->piece_size;
}

static bool ends_here(const struct reading *reading)
{
    (void)reading;
    return false;
}

const struct protocol echo_protocol = { "echo", NULL, render, read_answer, ends_here, NULL };
