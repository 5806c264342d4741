#ifndef WF_BASE_PANIC_H
#define WF_BASE_PANIC_H

/* A line for standard error that is made by hand, where nothing else can be trusted any more: in a
 * signal handler, beside an overflowed stack, with the heap torn. What does not fit is cut. */

#include <stddef.h>
#include <stdint.h>

struct wf_words {
    size_t size;
    char text[512];
};

void wf_words_add(struct wf_words *words, const char *text);

/* "65024" and "65,024". */
void wf_words_number(struct wf_words *words, uint64_t number);
void wf_words_count(struct wf_words *words, uint64_t number);

/* "1fe0" */
void wf_words_hex(struct wf_words *words, uint64_t number);

/* Write them as a line, at once; then there are none. */
void wf_words_say(struct wf_words *words);

#endif
