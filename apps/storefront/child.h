#ifndef STOREFRONT_CHILD_H
#define STOREFRONT_CHILD_H

/* This same program once more, in a part of its own:
 *
 *     storefront --as ROLE PARENT WORD…        see role.h
 *
 * A child has the board, and standard output is a pipe to its parent, on which whoever serves says
 * where: one line. It ends with its parent, also when that is killed, and leaves Ctrl-C to it.
 * fork() alone would copy a loop halfway, and its threads not at all; so the program is started
 * anew. */

#include "board.h"

#include <stddef.h>

#define CHILD_WORDS_MAX 12

struct child {
    pid_t process; /* 0: there is none */
    int output;    /* what it prints can be read here */
};

/* Start the program with `words`, the role first, then NULL; at most CHILD_WORDS_MAX. Returns 0, or
 * a negative errno. */
int child_start(struct child *child, const struct board *board, const char *const *words);

/* Its line "127.0.0.1:PORT", without the line's end, in `address`. Blocks until it is there. 0, or
 * negative when the child ends without one. */
int child_address(const struct child *child, char *address, size_t size);

/* Wait for its end: its exit status, or 128 and the signal. */
int child_wait(struct child *child);

/* Kill it and wait. Nothing happens when there is none. */
void child_kill(struct child *child);

/* In the child, first of all: end with the parent, whose process id is `parent`. */
void child_follow(pid_t parent);

#endif
