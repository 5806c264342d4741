#ifndef WF_TESTS_CONFORMANCE_JOURNAL_H
#define WF_TESTS_CONFORMANCE_JOURNAL_H

/* What a scenario wrote down, line by line; how two of them differ; whether one of them says what
 * is expected. */

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

struct journal {
    char *text; /* lines, each with its end; NULL: none yet */
    size_t size, room;
    size_t lines;
};

void journal_begin(struct journal *journal);
void journal_end(struct journal *journal);

/* Add a line; `format` has no line end. */
void journal_say(struct journal *journal, const char *format, va_list values);

/* The text, which ends with a zero byte. */
const char *journal_text(const struct journal *journal);

/* Write a unified difference of two texts to `to`: one hunk, with three lines around it. False, and
 * nothing is written: they are equal. */
bool journal_difference(const char *old_name, const char *old_text, const char *new_name,
                        const char *new_text, struct journal *to);

/* Whether the text is `expected`, in which a line "..." stands for any lines, or for none. *where
 * is the expected line that is not there, "" the end. */
bool journal_follows(const char *text, const char *expected, const char **where);

#endif
