#ifndef STOREFRONT_STAGE_H
#define STOREFRONT_STAGE_H

/* The demonstration around the shop: the page, its switches, and the processes that play along.
 *
 *     GET  /                         the page
 *     GET  /stats?since=SECOND       what it shows, as JSON: windows newer than that second
 *     GET  /tasks                    what each task of the gateway's process waits for, as text
 *     POST /switch/NAME/STATE        what a service is made to do:
 *              ok                    nothing; a dead one comes back, a stopped one goes on
 *              slow                  answers after two seconds
 *              dead                  is gone: refuses connections, is killed where it is a process
 *                                    (NAME may be store, where that is inside: ok and dead)
 *              block, pool           stock only: really sleeps now and then, on the loop's thread
 *                                    or on a thread of the pool
 *     POST /load/RATE                so many pages a second from each load; 0: none
 *
 * The shop of threads is started with the first load. Loop 0 of the gateway's process writes all
 * that is not atomic, and one switch is thrown at a time: another one meanwhile is answered 409.
 * Other loops pass on what is asked of them (loops.h). */

#include "actor.h"
#include "observer.h"

#define STAGE_SLOW     (2 * WEFT_SECOND)
#define STAGE_BLOCK    (400 * WEFT_MILLISECOND)
#define STAGE_RATE_MAX 5000

enum stage_state { STATE_OK, STATE_SLOW, STATE_DEAD, STATE_BLOCK, STATE_POOL, STATES };

struct loops;

struct stage {
    struct storefront *shop;
    struct loops *loops;
    struct observer *observer;
    char address[STOREFRONT_ADDRESS_MAX]; /* of the gateway */
    bool split;                           /* each service is a process */
    bool is_busy;                         /* a switch is being thrown */
    int rate;                             /* of the load; 0: there is none */
    enum stage_state states[STOREFRONT_PARTS];
    int64_t latency[STOREFRONT_PARTS]; /* of each service that is ok */
    int ports[STOREFRONT_PARTS];       /* split: what keeps each one's port, dead or alive; -1 */
    bool store_counts;                 /* the store is being asked for … */
    long long store_keys;              /* … what it said last; -1: nothing */
    int64_t store_counted;             /* when; 0: it has not said anything yet */
    struct actor services[STOREFRONT_PARTS];
    struct actor threads;
    struct actor loads[SIDES];
};

void stage_init(struct stage *stage, struct storefront *shop, bool split);

/* Start the services, inside or as processes. */
WEFT_SUSPENDS
int stage_start(struct stage *stage);

/* The gateway listens there: start to look and to print, and the load where `rate` is not 0. */
WEFT_SUSPENDS
int stage_begin(struct stage *stage, const char *address, int rate);

/* After the loop's end: no process and no thread is left. */
void stage_fini(struct stage *stage);

/* GET /stats. */
WEFT_SUSPENDS
int stage_stats(weft_http *http, void *app);

/* GET /tasks. */
WEFT_SUSPENDS
int stage_tasks(weft_http *http, void *app);

/* GET /. */
WEFT_SUSPENDS
int stage_page(weft_http *http, void *app);

/* How many keys the store has, as it said not long ago; -1: it does not say. Waits for nothing. */
long long stage_count_keys(struct stage *stage);

extern const char *const stage_state_names[STATES];
extern const weft_http_route stage_routes[]; /* the gateway's, and these */
extern const char page_html[];               /* page.html */

#endif
