/* The last words of a program whose memory can no longer be trusted.
 *
 * May run in a signal handler, on an overflowed stack or with the heap torn: no printf, no
 * allocation, one write(2) of one line, then abort. */

#include "base/compiler.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct line {
    char text[256];
    size_t size;
};

static void add(struct line *line, const char *text)
{
    size_t room = sizeof line->text - line->size;
    size_t size = strlen(text);
    if (size > room)
        size = room;
    memcpy(line->text + line->size, text, size);
    line->size += size;
}

static void add_number(struct line *line, unsigned number)
{
    char digits[12];
    size_t at = sizeof digits - 1;
    digits[at] = '\0';
    do {
        digits[--at] = (char)('0' + number % 10);
        number /= 10;
    } while (number);
    add(line, digits + at);
}

_Noreturn void wf_panic(const char *file, int line_number, const char *what)
{
    struct line line = { .size = 0 };
    add(&line, "weft: ");
    add(&line, file);
    add(&line, ":");
    add_number(&line, (unsigned)line_number);
    add(&line, ": ");
    add(&line, what);
    if (line.size == sizeof line.text)
        line.size--;
    add(&line, "\n");
    ssize_t written = write(STDERR_FILENO, line.text, line.size);
    (void)written; /* nobody is left to tell */
    abort();
}
