#include "connection.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define EVENTS_MAX 256
#define SWEEP      INT64_C(10000000) /* from one look at the alarms to the next */

int64_t engine_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

struct measures *engine_measures(struct engine *engine)
{
    return &engine->measures;
}

const char *engine_example(const struct engine *engine, enum fault fault)
{
    return engine->examples[fault];
}

void engine_note(struct engine *engine, enum fault fault, const struct target *target,
                 const char *format, ...)
{
    char *text = engine->examples[fault];
    if (text[0] != '\0')
        return;
    int size = snprintf(text, EXAMPLE_MAX, "%.90s: ", target->url);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text + size, (size_t)(EXAMPLE_MAX - size), format, arguments);
    va_end(arguments);
}

/* --- Turns. --- */

static void handle(struct connection *connection, unsigned events)
{
    if (connection == NULL)
        return;
    if (connection->state == CONNECTING)
        connection_conclude(connection, events, engine_now());
    else if (connection->state == OPEN && connection->rest.size > 0 && (events & EPOLLOUT) != 0)
        connection_put_rest(connection, engine_now());
    if (connection->state == OPEN && (events & ~(unsigned)EPOLLOUT) != 0)
        answer_receive(connection, events);
    struct engine *engine = connection->engine;
    if (engine->gathers)
        connection_gather(engine, engine_now());
    if (engine->between != NULL)
        engine->between(engine->between_context, engine_now());
}

/* Look at all alarms: 80 KB for 10,000 connections, some microseconds. */
static void sweep(struct engine *engine, int64_t now)
{
    engine->sweep_at = now + SWEEP;
    for (int i = 0; i < engine->options.connections; i++)
        if (engine->alarms[i] <= now)
            connection_ring(&engine->connections[i], now);
    if (engine->gathers)
        connection_gather(engine, now);
    if (engine->also != NULL)
        sweep(engine->also, now);
}

static int wait_events(const struct engine *engine, struct epoll_event *events, int64_t until)
{
    int64_t wait = until > 0 ? until - engine_now() : 0;
#ifdef SYS_epoll_pwait2
    static bool is_old; /* Linux before 5.11 */
    if (wait > 0 && !is_old) {
        struct timespec time = { wait / 1000000000, wait % 1000000000 };
        long count = syscall(SYS_epoll_pwait2, engine->epoll, events, EVENTS_MAX, &time, NULL, 0);
        if (count >= 0 || errno != ENOSYS)
            return (int)count;
        is_old = true;
    }
#endif
    return epoll_wait(engine->epoll, events, EVENTS_MAX, wait > 0 ? (int)(wait / 1000000) : 0);
}

int engine_turn(struct engine *engine, int64_t until)
{
    struct epoll_event events[EVENTS_MAX];
    int count = wait_events(engine, events, until < engine->sweep_at ? until : engine->sweep_at);
    for (int i = 0; i < count; i++)
        handle(connection_of(events[i].data.u64), events[i].events);
    int64_t now = engine_now();
    if (now >= engine->sweep_at)
        sweep(engine, now);
    return count > 0 ? count : 0;
}

void engine_set_between(struct engine *engine, void (*between)(void *context, int64_t now),
                        void *context)
{
    engine->between = between;
    engine->between_context = context;
}

bool engine_has_place(struct engine *engine, const struct target *target)
{
    struct connection *connection = place_take(place_endpoint_of(engine, target));
    if (connection != NULL)
        place_list_first(connection);
    return connection != NULL;
}

bool engine_ask(struct engine *engine, struct target *target, int64_t due, bool waits)
{
    struct endpoint *endpoint = place_endpoint_of(engine, target);
    struct connection *connection = endpoint->backlog_count == 0 ? place_take(endpoint) : NULL;
    if (connection == NULL) {
        if (waits && !place_push_backlog(endpoint, target, due))
            engine->measures.faults[FAULT_CONNECT]++;
        return false;
    }
    int64_t now = engine_now();
    durations_add(&engine->measures.late, now - due);
    place_assign(connection, target, due);
    connection_flush(connection, now);
    if (place_is_free(connection))
        place_list(connection);
    return true;
}

uint64_t engine_backlog(const struct engine *engine)
{
    uint64_t sum = 0;
    for (int i = 0; i < engine->endpoint_count; i++)
        sum += engine->endpoints[i].backlog_count;
    return sum;
}

uint64_t engine_under_way(const struct engine *engine)
{
    return engine->under_way;
}

uint64_t engine_drop_backlog(struct engine *engine)
{
    uint64_t dropped = engine_backlog(engine);
    for (int i = 0; i < engine->endpoint_count; i++)
        engine->endpoints[i].backlog_count = 0;
    return dropped;
}

void engine_give_up(struct engine *engine)
{
    int64_t now = engine_now();
    for (int i = 0; i < engine->options.connections; i++)
        if (engine->connections[i].count > 0)
            connection_fail(&engine->connections[i], FAULT_TIMEOUT, 0, now);
}

void engine_use(struct engine *engine, int connections)
{
    int64_t now = engine_now();
    if (connections < engine->endpoint_count)
        connections = engine->endpoint_count;
    while (engine->working > connections)
        engine->connections[--engine->working].works = false;
    while (engine->working < connections) {
        struct connection *connection = &engine->connections[engine->working++];
        connection->works = true;
        connection_offer(connection, now);
    }
}

void engine_close_loop(struct engine *engine, uint64_t budget)
{
    int64_t now = engine_now();
    engine->budget = budget;
    for (int i = 0; i < engine->working && engine->budget > 0; i++)
        connection_offer(&engine->connections[i], now);
}

uint64_t engine_budget(const struct engine *engine)
{
    return engine->budget;
}

void engine_gather(struct engine *engine)
{
    engine->gathers = true;
    engine->gather_next = 0;
    connection_gather(engine, engine_now());
}

bool engine_is_gathering(const struct engine *engine)
{
    return engine->gathers;
}

int engine_connection_count(const struct engine *engine)
{
    return engine->options.connections;
}

int engine_open_count(const struct engine *engine)
{
    return engine->open;
}

int engine_connect_error(const struct engine *engine)
{
    return engine->connect_error;
}

/* --- Learning. --- */

static int learn_one(struct engine *engine, struct target *target, char *why)
{
    uint64_t faults = measures_faults(&engine->measures);
    engine->learn_fault = -1;
    engine_ask(engine, target, engine_now(), true);
    while (engine->learn_fault < 0 && measures_faults(&engine->measures) == faults)
        engine_turn(engine, engine->sweep_at);
    for (int i = 1; i < FAULTS && engine->learn_fault < 0; i++)
        if (engine->measures.faults[i] > 0 && engine->examples[i][0] != '\0')
            return snprintf(why, TARGET_TEXT_MAX, "%s", engine->examples[i]), -EIO;
    return engine->learn_fault == FAULT_NONE ? 0 : -ENOMEM;
}

int engine_learn(struct engine *engine, bool bodies, char why[TARGET_TEXT_MAX])
{
    int err = 0;
    snprintf(why, TARGET_TEXT_MAX, "out of memory");
    engine->learns = true;
    for (int i = 0; i < engine->options.target_count && err == 0; i++) {
        struct target *target = &engine->options.targets[i];
        err = learn_one(engine, target, why);
        if (!bodies && target->expected.body == target->learned)
            target->expected.body = NULL;
    }
    engine->learns = false;
    measures_clear(&engine->measures);
    return err;
}

/* --- Beginning and end. --- */

static void give_connections(struct engine *engine)
{
    for (int i = 0; i < engine->options.connections; i++) {
        struct connection *connection = &engine->connections[i];
        /* Endpoints that weigh more have more: as often as their targets are on the wheel. */
        const struct target *target = i < engine->endpoint_count
                                          ? engine->endpoints[i].wheel[0]
                                          : engine->wheel[(unsigned)i % engine->wheel_size];
        connection->engine = engine;
        connection->fd = -1;
        connection->works = true;
        connection->endpoint = place_endpoint_of(engine, target);
        connection->ring = &engine->exchanges[(size_t)i * (size_t)engine->options.pipeline];
        engine->alarms[i] = INT64_MAX;
        place_list(connection);
    }
    engine->working = engine->options.connections;
}

struct engine *engine_new(const struct engine_options *options)
{
    struct engine *engine = calloc(1, sizeof *engine);
    if (engine == NULL)
        return NULL;
    engine->options = *options;
    engine->epoll = -1;
    if (options->connections == 0)
        engine->options.connections = 1;
    if (options->pipeline == 0 || options->close)
        engine->options.pipeline = 1;
    if (place_make_endpoints(engine) < 0)
        return engine_free(engine), NULL;
    if (engine->options.connections < engine->endpoint_count)
        engine->options.connections = engine->endpoint_count;
    size_t count = (size_t)engine->options.connections;
    engine->connections = calloc(count, sizeof *engine->connections);
    engine->exchanges = calloc(count * (size_t)engine->options.pipeline, sizeof(struct exchange));
    engine->alarms = calloc(count, sizeof *engine->alarms);
    engine->owns_epoll = options->with == NULL;
    engine->epoll = options->with ? options->with->epoll : epoll_create1(EPOLL_CLOEXEC);
    if (!engine->connections || !engine->exchanges || !engine->alarms || engine->epoll < 0)
        return engine_free(engine), NULL;
    give_connections(engine);
    if (options->with != NULL)
        options->with->also = engine;
    return engine;
}

void engine_free(struct engine *engine)
{
    if (engine == NULL)
        return;
    for (int i = 0; engine->connections != NULL && i < engine->options.connections; i++) {
        struct connection *connection = &engine->connections[i];
        if (connection->engine != NULL && connection->fd >= 0)
            close(connection->fd);
        bytes_free(&connection->rest);
        bytes_free(&connection->kept);
        bytes_free(&connection->body);
    }
    for (int i = 0; i < engine->endpoint_count; i++) {
        free(engine->endpoints[i].wheel);
        free(engine->endpoints[i].backlog);
    }
    if (engine->owns_epoll && engine->epoll >= 0)
        close(engine->epoll);
    free(engine->connections);
    free(engine->exchanges);
    free(engine->alarms);
    free(engine->endpoints);
    free(engine->wheel);
    free(engine);
}
