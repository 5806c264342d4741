#ifndef STOREFRONT_OBSERVER_H
#define STOREFRONT_OBSERVER_H

/* The thread beside the loop: it reads the board, watches the pulses, and once a second closes a
 * window of figures: for the page, and as a line for people without a browser.
 *
 * It is a thread because it has to go on while the loop is blocked, and because /proc is read with
 * calls that may block. While nobody asks for pages it looks ten times a second and prints nothing.
 * It never waits for whoever reads its output: a line that a terminal or a pipe does not take is
 * left out. */

#include "figures.h"

#define OBSERVER_WINDOWS 120 /* seconds kept for a page that is opened later */
#define OBSERVER_BLOCKS  6

/* What the observer knows, copied for a reader. */
struct view {
    int window_count;
    struct window windows[OBSERVER_WINDOWS]; /* oldest first */
    int block_count;
    struct block blocks[OBSERVER_BLOCKS]; /* that have ended, newest first */
    uint64_t blocks_seen;                 /* ever */
    struct block going_on[STOREFRONT_PULSES];
};

struct observer;

/* Start it; 0, or a negative errno. `prints`: lines go to standard output. */
int observer_start(struct observer **observer, const struct board *board, bool prints);
void observer_stop(struct observer *observer);

/* What is newer than window `second`. Waits for nothing but a short copy. */
void observer_view(struct observer *observer, int64_t second, struct view *view);

#endif
