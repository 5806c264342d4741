/* A run: what is due, who takes it, and when it is over. */

#include "inside.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define EVENTS_MAX     256
#define CONNECTING_MAX 128                          /* a listener's queue is not endless */
#define SPIN           (60 * LOAD_SECOND / 1000000) /* the kernel's timers are late by up to this */
#define SWEEP          (LOAD_SECOND / 10)
#define SWEEP_RAMP     (LOAD_SECOND / 100)

int64_t load_now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * LOAD_SECOND + time.tv_nsec;
}

static int64_t cpu_time(void)
{
    struct timespec time;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return time.tv_sec * LOAD_SECOND + time.tv_nsec;
}

/* --- The backlog. --- */

static bool backlog_grow(struct backlog *backlog)
{
    uint64_t room = backlog->room > 0 ? 2 * backlog->room : 256;
    struct request *requests = malloc(room * sizeof *requests);
    if (requests == NULL)
        return false;
    for (uint64_t i = 0; i < backlog->count; i++)
        requests[i] = backlog->requests[(backlog->first + i) & (backlog->room - 1)];
    free(backlog->requests);
    *backlog = (struct backlog){ requests, 0, backlog->count, room };
    return true;
}

void load_defer(struct load_engine *engine, const struct request *request)
{
    struct backlog *backlog = &engine->server_of[request->target]->backlog;
    if (backlog->count == backlog->room && !backlog_grow(backlog)) {
        load_blame(engine, LOAD_UNSENT, &engine->targets[request->target], "out of memory");
        return;
    }
    backlog->requests[(backlog->first + backlog->count) & (backlog->room - 1)] = *request;
    backlog->count++;
    if (++engine->result->waiting > engine->result->waiting_max)
        engine->result->waiting_max = engine->result->waiting;
}

static struct request backlog_pop(struct load_engine *engine, struct backlog *backlog)
{
    struct request request = backlog->requests[backlog->first & (backlog->room - 1)];
    backlog->first++;
    backlog->count--;
    engine->result->waiting--;
    return request;
}

/* --- Who takes what. --- */

/* Give the connection one request: one that waits, or, in a closed loop, a new one. */
static bool give(struct load_engine *engine, struct connection *connection, int64_t now)
{
    struct server *server = connection->server;
    if (server->backlog.count > 0) {
        struct request request = backlog_pop(engine, &server->backlog);
        load_assign(engine, connection, request.due, now, request.target);
        return true;
    }
    if (engine->is_open || !engine->is_issuing || engine->left == 0)
        return false;
    engine->left--;
    engine->result->due++;
    load_assign(engine, connection, now, now, load_pick(&server->picker));
    return true;
}

static void offer_open(struct load_engine *engine, struct connection *connection, int64_t now)
{
    uint32_t room = (uint32_t)engine->setup.pipeline;
    bool gives = connection->works;
    while (gives && connection->count < room)
        gives = give(engine, connection, now);
    if (connection->works && connection->count < room)
        link_append(&connection->server->free, &connection->link);
    else
        link_remove(&connection->link);
    if (connection->sent < connection->count)
        load_flush(engine, connection);
}

static bool is_needed(const struct load_engine *engine, const struct connection *connection)
{
    return connection->server->backlog.count > 0 ||
           (engine->is_open ? engine->next_due != INT64_MAX
                            : engine->is_issuing && engine->left > 0);
}

void load_offer(struct load_engine *engine, struct connection *connection, int64_t now)
{
    if (now >= engine->stops)
        engine->is_issuing = false;
    if (connection->state == OPEN && !engine->setup.churns) {
        offer_open(engine, connection, now);
    } else if (connection->state == OPEN) {
        load_flush(engine, connection); /* connected, with its one request */
    } else if (connection->state == CLOSED && connection->works && connection->since <= now) {
        if (engine->setup.churns && engine->is_open)
            link_append(&connection->server->free, &connection->link);
        else if (is_needed(engine, connection))
            link_append(&engine->dial, &connection->link);
    }
}

/* Open those whose turn it is. Each at most once: a connection may fail at once and be back here.
 */
static void serve_dials(struct load_engine *engine, int64_t now)
{
    for (int i = 0; i < engine->setup.connections && !link_is_empty(&engine->dial); i++) {
        struct connection *connection = (struct connection *)engine->dial.next;
        if (!engine->setup.churns && engine->connecting >= CONNECTING_MAX)
            return;
        link_remove(&connection->link);
        if (!engine->setup.churns || give(engine, connection, now))
            load_dial(engine, connection, now);
    }
}

/* A connection that can take a request now, or NULL. */
static struct connection *take_free(struct server *server)
{
    if (link_is_empty(&server->free))
        return NULL;
    struct connection *connection = (struct connection *)server->free.next;
    link_remove(&connection->link);
    return connection;
}

static void hand_over(struct load_engine *engine, struct connection *connection, int64_t now)
{
    if (connection->state == CLOSED)
        load_dial(engine, connection, now);
    else
        load_offer(engine, connection, now); /* lists it again where it has room, and sends */
}

/* What came back from a connection that ended may have free ones to go to. */
static void serve_backlogs(struct load_engine *engine, int64_t now)
{
    for (int i = 0; i < engine->server_count && engine->result->waiting > 0; i++) {
        struct server *server = &engine->servers[i];
        struct connection *connection;
        while (server->backlog.count > 0 && (connection = take_free(server)) != NULL) {
            give(engine, connection, now);
            hand_over(engine, connection, now);
        }
    }
}

/* --- Open loop. --- */

static void schedule_advance(struct load_engine *engine)
{
    load_schedule_step(&engine->schedule);
    int64_t next = load_schedule_next(&engine->schedule);
    engine->next_due = next == INT64_MAX ? INT64_MAX : engine->begun + next;
}

/* Send what has become due. */
static int64_t pump(struct load_engine *engine, int64_t now)
{
    while (engine->next_due <= now) {
        int64_t due = engine->next_due;
        uint32_t target = load_pick(&engine->picker);
        struct connection *connection = take_free(engine->server_of[target]);
        engine->result->due++;
        load_histogram_add(&engine->result->late, now - due);
        schedule_advance(engine);
        if (connection == NULL) {
            load_defer(engine, &(struct request){ .due = due, .target = target });
            continue; /* costs nothing that `now` would have to know of */
        }
        load_assign(engine, connection, due, now, target);
        hand_over(engine, connection, now);
        now = load_now();
    }
    return now;
}

/* --- Time. --- */

/* Put to work who has to work by now. */
static void ramp_up(struct load_engine *engine, int64_t now)
{
    int64_t passed = now - engine->begun, all = engine->setup.connections;
    int64_t due = engine->plan->ramp_up > passed
                      ? 1 + (int64_t)((double)all * (double)passed / (double)engine->plan->ramp_up)
                      : all;
    for (; engine->working < due && engine->working < all; engine->working++) {
        struct connection *connection = &engine->connections[engine->working];
        connection->works = true;
        load_offer(engine, connection, now);
    }
}

static void sweep(struct load_engine *engine, int64_t now)
{
    ramp_up(engine, now);
    for (int i = 0; i < engine->working; i++) {
        struct connection *connection = &engine->connections[i];
        load_expire(engine, connection, now);
        if (connection->state == CLOSED && connection->link.next == NULL)
            load_offer(engine, connection, now);
    }
}

static int wait_for(struct load_engine *engine, struct epoll_event *events, int64_t time)
{
#ifdef SYS_epoll_pwait2
    static bool is_missing;
    struct timespec timeout = { time / LOAD_SECOND, time % LOAD_SECOND };
    if (!is_missing) {
        long n = syscall(SYS_epoll_pwait2, engine->epoll, events, EVENTS_MAX, &timeout, NULL, 0);
        if (n >= 0 || errno != ENOSYS)
            return (int)n;
        is_missing = true;
    }
#endif
    return epoll_wait(engine->epoll, events, EVENTS_MAX, (int)(time / (LOAD_SECOND / 1000)));
}

/* For how long to sleep: short of the next due time, for the kernel wakes us late. */
static int64_t patience(const struct load_engine *engine, int64_t now, int64_t next_sweep)
{
    int64_t until = next_sweep;
    bool can_dial = !link_is_empty(&engine->dial) &&
                    (engine->setup.churns || engine->connecting < CONNECTING_MAX);
    if (engine->next_due < INT64_MAX && engine->next_due - SPIN < until)
        until = engine->next_due - SPIN;
    return until > now && !can_dial ? until - now : 0;
}

static bool is_over(const struct load_engine *engine)
{
    bool issues =
        engine->is_open ? engine->next_due != INT64_MAX : engine->is_issuing && engine->left > 0;
    return !issues && engine->under_way == 0 && engine->result->waiting == 0;
}

static bool is_stopped(const struct load_engine *engine)
{
    return engine->setup.stop != NULL && *engine->setup.stop;
}

/* There was time enough for what still waits. */
static void give_up(struct load_engine *engine)
{
    for (int i = 0; i < engine->server_count; i++)
        while (engine->servers[i].backlog.count > 0) {
            struct request request = backlog_pop(engine, &engine->servers[i].backlog);
            load_blame(engine, LOAD_UNSENT, &engine->targets[request.target],
                       "still waiting for a connection at the end");
        }
}

static void loop(struct load_engine *engine)
{
    struct epoll_event events[EVENTS_MAX];
    int64_t now = load_now(), next_sweep = now, next_progress = now + LOAD_SECOND;
    while (!is_over(engine) && !is_stopped(engine)) {
        if (now >= next_sweep) {
            sweep(engine, now);
            next_sweep = now + (engine->working < engine->setup.connections ? SWEEP_RAMP : SWEEP);
        }
        now = pump(engine, now);
        serve_dials(engine, now);
        serve_backlogs(engine, now);
        int count = wait_for(engine, events, patience(engine, now, next_sweep));
        now = load_now();
        for (int i = 0; i < count; i++) {
            load_event(engine, events[i].data.ptr, events[i].events);
            if (engine->next_due != INT64_MAX)
                now = pump(engine, load_now());
        }
        if (now >= engine->stops) {
            engine->is_issuing = false;
            if (now - engine->stops > engine->setup.timeout)
                give_up(engine);
        }
        if (engine->plan->progress != NULL && now >= next_progress) {
            engine->result->elapsed = now - engine->begun;
            engine->plan->progress(engine->plan->context, engine->result);
            next_progress += LOAD_SECOND;
        }
    }
}

/* --- Beginning and end. --- */

static void begin_schedule(struct load_engine *engine)
{
    const struct load_plan *plan = engine->plan;
    double end = plan->rate_end > 0 ? plan->rate_end : plan->rate;
    int64_t next;
    load_schedule_begin(&engine->schedule, plan->rate, end, plan->duration, plan->requests);
    engine->stops =
        engine->begun + (plan->duration > 0
                             ? plan->duration
                             : (int64_t)((double)plan->requests / plan->rate * LOAD_SECOND));
    if (plan->is_poisson)
        load_schedule_shake(&engine->schedule, plan->seed);
    next = load_schedule_next(&engine->schedule);
    engine->next_due = next == INT64_MAX ? INT64_MAX : engine->begun + next;
}

static void begin(struct load_engine *engine, const struct load_plan *plan,
                  struct load_result *result)
{
    memset(result, 0, sizeof *result);
    engine->plan = plan;
    engine->result = result;
    engine->is_open = plan->rate > 0;
    engine->is_issuing = true;
    engine->left = plan->requests > 0 ? plan->requests : UINT64_MAX;
    engine->next_due = INT64_MAX;
    for (int i = 0; i < engine->setup.connections; i++) {
        link_remove(&engine->connections[i].link);
        engine->connections[i].works = false;
    }
    engine->working = 0;
    engine->begun = engine->last = load_now();
    engine->stops = plan->duration > 0 ? engine->begun + plan->duration : INT64_MAX;
    if (engine->is_open)
        begin_schedule(engine);
}

/* Stopped: what is under way counts as never asked for. */
static void abandon(struct load_engine *engine)
{
    struct load_result *result = engine->result;
    for (int i = 0; i < engine->setup.connections; i++) {
        struct connection *connection = &engine->connections[i];
        if (connection->count == 0)
            continue;
        result->due -= connection->count;
        result->sent -= connection->sent;
        connection->count = 0;
        load_hang_up(engine, connection);
    }
    for (int i = 0; i < engine->server_count; i++)
        engine->servers[i].backlog.count = 0;
    result->due -= result->waiting;
    result->waiting = engine->under_way = 0;
}

/* The time that the rates are of: as planned, where a plan says so, or until the last answer. A
 * schedule is over before its last gap is, which belongs to it nevertheless. */
static int64_t end_of_run(const struct load_engine *engine, int64_t now, bool is_early)
{
    int64_t end = is_early ? now : engine->last;
    bool is_planned = engine->is_open || now >= engine->stops;
    if (!is_early && is_planned && engine->stops > end)
        end = engine->stops;
    return end > engine->begun ? end : now;
}

static void conclude(struct load_engine *engine, int64_t cpu, bool is_early)
{
    struct load_result *result = engine->result;
    int64_t now = load_now(), stops = is_early && now < engine->stops ? now : engine->stops;
    result->elapsed = end_of_run(engine, now, is_early) - engine->begun;
    result->cpu = cpu_time() - cpu;
    double seconds = (double)result->elapsed / LOAD_SECOND;
    result->achieved = seconds > 0 ? (double)result->right / seconds : 0;
    result->offered = result->achieved;
    if (engine->is_open && stops > engine->begun)
        result->offered = (double)result->due / ((double)(stops - engine->begun) / LOAD_SECOND);
}

int load_engine_run(struct load_engine *engine, const struct load_plan *plan,
                    struct load_result *result)
{
    int64_t cpu = cpu_time();
    begin(engine, plan, result);
    loop(engine);
    bool is_early = is_stopped(engine);
    if (is_early)
        abandon(engine);
    conclude(engine, cpu, is_early);
    engine->plan = NULL;
    return is_early ? -1 : 0;
}
