#ifndef STOREFRONT_LOAD_H
#define STOREFRONT_LOAD_H

/* The clients, in a process of their own so that neither shop pays for them: weft-load's engine,
 * one thread, epoll, and the codec; nothing else of weft, which must not measure itself.
 *
 * The loop is open: requests have a time at which they are due, whatever became of those before,
 * and their latency counts from that time. So a shop that stands still for 400 ms is seen by all
 * who came meanwhile, and not by the few who were inside. Every page is compared with what the
 * products say, byte by byte; of its stock there may be less, since somebody may buy. */

#include "board.h"
#include "products.h"

/* The role "load": SIDE ADDRESS and then pairs of a word and a number.
 *
 *     rate R       ask for so many pages a second
 *     count N      … and end after so many
 *     probe R      GET /health so many times a second, one after the other
 *     probes N     … and end after so many
 *     crowd N      ask for so many pages at once, and end when all are answered
 *
 * What it sees goes to the board's `asked` and `health`. Returns 0, or negative when it cannot
 * begin or nothing came for 20 s. */
int load_main(struct board *board, const struct products *products, char **words);

/* Whether an address, "127.0.0.1:80" or "[::1]:80", is one that the load can ask. */
bool load_reaches(const char *address);

#endif
