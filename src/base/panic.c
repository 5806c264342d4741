/* The last words of a program whose memory can no longer be trusted.
 *
 * May run in a signal handler, on an overflowed stack or with the heap torn: no printf, no
 * allocation, one write(2) for each line; then a panic aborts. */

#include "base/panic.h"

#include "base/compiler.h"
#include "base/quiet.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void wf_words_add(struct wf_words *words, const char *text)
{
    size_t room = sizeof words->text - 1 - words->size; /* the last one is the newline's */
    size_t size = strlen(text);
    if (size > room)
        size = room;
    memcpy(words->text + words->size, text, size);
    words->size += size;
}

/* A comma before each three digits, where it is asked for. */
static void add_digits(struct wf_words *words, uint64_t number, unsigned base, bool commas)
{
    char digits[32];
    size_t at = sizeof digits - 1;
    unsigned count = 0;
    digits[at] = '\0';
    do {
        if (commas && count > 0 && count % 3 == 0)
            digits[--at] = ',';
        digits[--at] = "0123456789abcdef"[number % base];
        number /= base;
        count++;
    } while (number);
    wf_words_add(words, digits + at);
}

void wf_words_number(struct wf_words *words, uint64_t number)
{
    add_digits(words, number, 10, false);
}

void wf_words_count(struct wf_words *words, uint64_t number)
{
    add_digits(words, number, 10, true);
}

void wf_words_hex(struct wf_words *words, uint64_t number)
{
    add_digits(words, number, 16, false);
}

/* Else SIGPIPE would be what the process dies of, where nobody reads any more. */
static void write_quietly(const char *text, size_t size)
{
    struct wf_quiet quiet;
    wf_quiet_begin(&quiet);
    bool broken = write(STDERR_FILENO, text, size) < 0 && errno == EPIPE;
    wf_quiet_end(&quiet, broken);
}

void wf_words_say(struct wf_words *words)
{
    words->text[words->size++] = '\n';
    write_quietly(words->text, words->size); /* nobody is left to tell of a failure */
    words->size = 0;
}

_Noreturn void wf_panic(const char *file, int line_number, const char *what)
{
    struct wf_words words = { .size = 0 };
    wf_words_add(&words, "weft: ");
    wf_words_add(&words, file);
    wf_words_add(&words, ":");
    wf_words_number(&words, (unsigned)line_number);
    wf_words_add(&words, ": ");
    wf_words_add(&words, what);
    wf_words_say(&words);
    abort();
}
