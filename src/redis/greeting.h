#ifndef WF_REDIS_GREETING_H
#define WF_REDIS_GREETING_H

/* What is said first on each connection: HELLO, or AUTH and CLIENT SETNAME, and SELECT. */

struct wf_redis_connection;

/* 0, and connection->version is set. -EACCES: the server does not let us in; WEFT_EREPLY: it
 * refuses something else for good; connection->why has its words then. -EAGAIN: not now. Others
 * are the stream's. */
int wf_redis_greet(struct wf_redis_connection *connection);

#endif
