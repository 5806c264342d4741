#include "run.h"

#include "schedule.h"

#include <string.h>
#include <time.h>

#define SECOND   INT64_C(1000000000)
#define GIVE_UP  (10 * SECOND)
#define SPUN_MAX INT64_C(3000)    /* nanoseconds that looking for events in vain can take */
#define RAMP     INT64_C(5000000) /* from one look at the ramp to the next */

struct loop {
    struct engine *engine;
    const struct load_run *run;
    struct load_result *result;
    struct schedule schedule;
    int64_t start, end; /* end: nothing is due any more; INT64_MAX: when the requests are over */
    int64_t moved;      /* when something was sent or came last */
    int64_t ticked;     /* when measures were taken last */
    uint64_t due;       /* open: requests so far */
    int connections;
    bool stopped;
};

static bool is_open(const struct loop *loop)
{
    return loop->run->rate > 0;
}

static int64_t cpu_now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return (int64_t)time.tv_sec * SECOND + time.tv_nsec;
}

/* All that is due by now. */
static void pump(void *context, int64_t now)
{
    struct loop *loop = context;
    while (loop->schedule.due <= now) {
        engine_ask(loop->engine, engine_next_target(loop->engine), loop->schedule.due, true);
        loop->due++;
        schedule_advance(&loop->schedule);
    }
}

static void take_measures(struct loop *loop, int64_t now)
{
    struct measures *fresh = engine_measures(loop->engine);
    if (loop->run->tick != NULL)
        loop->run->tick(loop->run->context, fresh, now - loop->ticked);
    measures_merge(&loop->result->measures, fresh);
    measures_clear(fresh);
    loop->ticked = now;
}

/* So many connections ask by now. */
static int ramped(const struct loop *loop, int64_t now)
{
    int64_t passed = now - loop->start, ramp = loop->run->ramp;
    if (passed >= ramp)
        return loop->connections;
    return 1 + (int)((double)(loop->connections - 1) * (double)passed / (double)ramp);
}

static void stop(struct loop *loop)
{
    loop->stopped = true;
    loop->schedule.due = INT64_MAX;
    engine_close_loop(loop->engine, 0);
}

static void give_up(struct loop *loop)
{
    loop->result->unsent = engine_drop_backlog(loop->engine);
    engine_give_up(loop->engine);
}

static void look_at_end(struct loop *loop, int64_t now)
{
    int wish = loop->run->stop != NULL ? *loop->run->stop : 0;
    if (!loop->stopped && now >= loop->end)
        pump(loop, loop->end); /* whatever kept us, these were due */
    if (!loop->stopped && (wish > 0 || now >= loop->end))
        stop(loop);
    if (wish == 1)
        loop->result->unsent += engine_drop_backlog(loop->engine);
    int64_t patience = loop->run->give_up > 0 ? loop->run->give_up : GIVE_UP;
    if (wish > 1 || (loop->end != INT64_MAX && now - loop->end >= patience))
        give_up(loop);
}

static bool is_over(const struct loop *loop)
{
    bool more = is_open(loop) ? loop->schedule.due != INT64_MAX || engine_backlog(loop->engine) > 0
                              : engine_budget(loop->engine) > 0;
    return !more && engine_under_way(loop->engine) == 0;
}

/* Until when nothing has to be done but by events; 0: there is no time for a pause. */
static int64_t pause_until(const struct loop *loop, int64_t now)
{
    int64_t until = loop->ticked + SECOND;
    if (is_open(loop) && now - loop->moved < loop->run->spin && engine_under_way(loop->engine) > 0)
        return 0;
    if (!loop->stopped && loop->end < until)
        until = loop->end;
    if (loop->run->ramp > 0 && now - loop->start < loop->run->ramp && now + RAMP < until)
        until = now + RAMP;
    if (loop->schedule.due != INT64_MAX && loop->schedule.due - loop->run->spin < until)
        until = loop->schedule.due - loop->run->spin;
    return until > now ? until : 0;
}

static void turn(struct loop *loop, int64_t now)
{
    uint64_t due = loop->due;
    pump(loop, now);
    int64_t until = pause_until(loop, now);
    int events = engine_turn(loop->engine, until);
    if (events != 0 || loop->due != due)
        loop->moved = engine_now();
    if (until != 0 || loop->moved >= now)
        return;
    int64_t spun = engine_now() - now; /* more than this, and somebody else had the processor */
    loop->result->spun += spun < SPUN_MAX ? spun : SPUN_MAX;
}

static void begin(struct loop *loop)
{
    const struct load_run *run = loop->run;
    loop->start = loop->ticked = engine_now();
    loop->end = run->duration > 0 ? loop->start + run->duration : INT64_MAX;
    loop->schedule.due = INT64_MAX;
    engine_use(loop->engine, run->ramp > 0 ? 1 : loop->connections);
    if (!is_open(loop)) {
        engine_close_loop(loop->engine, run->requests > 0 ? run->requests : UINT64_MAX);
        return;
    }
    schedule_begin(&loop->schedule, run->rate, run->rate_end > 0 ? run->rate_end : run->rate,
                   loop->start, run->duration, run->seed);
    engine_set_between(loop->engine, pump, loop);
}

static void conclude(struct loop *loop, int64_t cpu)
{
    struct load_result *result = loop->result;
    int64_t now = engine_now();
    take_measures(loop, now);
    engine_set_between(loop->engine, NULL, NULL);
    engine_use(loop->engine, engine_connection_count(loop->engine));
    result->cpu = cpu_now() - cpu;
    result->elapsed = now - loop->start;
    bool cut = loop->run->stop != NULL && *loop->run->stop != 0;
    /* An open loop whose last answer came before its end still took all of its time. */
    int64_t whole = loop->run->duration, length = result->elapsed;
    if (is_open(loop) && !cut && length < whole)
        length = whole;
    double seconds = (double)length / 1e9;
    double asking = is_open(loop) && !cut ? (double)whole / 1e9 : seconds;
    if (length <= 0)
        return;
    result->achieved = (double)result->measures.answered / seconds;
    result->offered =
        is_open(loop) ? (double)loop->due / asking : (double)result->measures.asked / seconds;
}

void load_run(struct engine *engine, const struct load_run *run, struct load_result *result)
{
    int connections = run->connections > 0 ? run->connections : engine_connection_count(engine);
    struct loop loop = {
        .engine = engine, .run = run, .result = result, .connections = connections
    };
    memset(result, 0, sizeof *result);
    measures_clear(engine_measures(engine));
    int64_t cpu = cpu_now();
    begin(&loop);
    for (;;) {
        int64_t now = engine_now();
        look_at_end(&loop, now);
        if (is_over(&loop))
            break;
        if (run->ramp > 0 && !loop.stopped)
            engine_use(engine, ramped(&loop, now));
        if (now - loop.ticked >= SECOND)
            take_measures(&loop, now);
        turn(&loop, now);
    }
    conclude(&loop, cpu);
}
