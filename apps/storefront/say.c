#include "say.h"

#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

static void add(struct line *line, const char *format, va_list arguments)
{
    size_t room = sizeof line->text - 1 - line->size; /* but for the line's end */
    int size = vsnprintf(line->text + line->size, room, format, arguments);
    if (size > 0)
        line->size += (size_t)size < room ? (size_t)size : room - 1;
}

void line_add(struct line *line, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    add(line, format, arguments);
    va_end(arguments);
}

void line_say(struct line *line)
{
    struct pollfd output = { .fd = STDOUT_FILENO, .events = POLLOUT };
    line->text[line->size++] = '\n';
    if (poll(&output, 1, 0) == 1 && (output.revents & POLLOUT) != 0 &&
        write(STDOUT_FILENO, line->text, line->size) < 0)
        return; /* who does not read any more misses nothing */
}

void say(const char *format, ...)
{
    struct line line = { .size = 0 };
    va_list arguments;
    va_start(arguments, format);
    add(&line, format, arguments);
    va_end(arguments);
    line_say(&line);
}
