#ifndef LOAD_CONNECTION_H
#define LOAD_CONNECTION_H

/* The engine's inside: what the files that send and receive have of one another.
 *
 *     engine.c      turns: events and alarms come here first; learning; beginning and end
 *     connection.c  a connection is opened, given requests, sends them, and ends
 *     answer.c      what it receives, and whether that is right
 *     place.c       who has room for a request */

#include "place.h"

/* engine.c: a sentence about the first of such faults; others are forgotten. */
__attribute__((format(printf, 4, 5))) void engine_note(struct engine *engine, enum fault fault,
                                                       const struct target *target,
                                                       const char *format, ...);

/* The oldest exchange has ended: count it, and tell who wants to know. */
void connection_end(struct connection *connection, const struct ending *ending);

/* When somebody has to look next, by the oldest request that was sent. */
void connection_set_alarm(struct connection *connection);

/* Close; what was under way has its place still, and can be sent again. */
void connection_hang_up(struct connection *connection);

/* It is of no more use; all that was under way on it ends so. */
void connection_fail(struct connection *connection, enum fault fault, int error, int64_t now);

/* The server has closed. Where it had said so, or may have without having seen a request, what was
 * sent behind is asked again. */
void connection_reopen(struct connection *connection, int64_t now);

/* It may have free places: for the closed loop's next requests, for who waits, or for who comes. */
void connection_offer(struct connection *connection, int64_t now);

/* Send what has a place and was not sent. */
void connection_flush(struct connection *connection, int64_t now);

/* There is room for what a send had left over. */
void connection_put_rest(struct connection *connection, int64_t now);

/* It is connected, or cannot be. */
void connection_conclude(struct connection *connection, unsigned events, int64_t now);

/* Its alarm has come. */
void connection_ring(struct connection *connection, int64_t now);

/* Connect as many of those that engine_gather() wants as may be at it at one time. */
void connection_gather(struct engine *engine, int64_t now);

/* What comes with an event, of the socket that it has now. */
struct connection *connection_of(uint64_t tag);

/* answer.c: there is something to read. */
void answer_receive(struct connection *connection, unsigned events);

#endif
