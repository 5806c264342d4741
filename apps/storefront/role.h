#ifndef STOREFRONT_ROLE_H
#define STOREFRONT_ROLE_H

/* What a child process of the storefront is:
 *
 *     weft [tcp]                  gateway and services in one thread, without page and observer
 *     threads                     the same with a blocking thread for each connection
 *     service NAME ADDRESS LOOPS STORE
 *                                 one service, on weft
 *     load SIDE ADDRESS WORD…     clients of a gateway: see load.h
 *
 * All but the load say on standard output where they listen. */

/* The program as a child: `words` are the role, the parent's process id, the rest, NULL. Returns
 * the exit status. */
int role_main(int count, char **words);

/* The role "threads", in threads.c. Comes back only when it cannot begin: negative. */
struct storefront;
int threads_main(const struct storefront *shop);

#endif
