/* A queue of jobs in Redis, where a job is in a list at any time, so none is lost.
 *
 *     jobs REDIS "wash the car" "buy tea"      puts two jobs; redis://127.0.0.1:6379, for example
 *     jobs [REDIS]                             works, four jobs at a time, until Ctrl-C
 *
 *     jobs:todo ── BLMOVE ──> jobs:doing:N ── done: LREM
 *         ^                        │
 *         └──────── LMOVE ─────────┘ worker N is cancelled, or dead: jobs:alive:N has expired
 *
 * Run it as often as you like; REDIS is redis://127.0.0.1:6379 unless given, and `weft-kv --port
 * 6379` is enough of one. Ctrl-C puts back what was begun. Of a worker that was killed, or could
 * not reach Redis for ten seconds, others take the job back: so a job is done at least once, and
 * twice when its worker was not dead but slow. What it does should be as good twice. */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <weft.h>
#include <weft/redis.h>

#define WORKERS   4
#define ALIVE_FOR 10                /* seconds without a sign of life, then a worker is dead */
#define ALIVE_GAP (3 * WEFT_SECOND) /* between two of them */
#define ASK_FOR   5                 /* seconds that a worker asks for a job, then it asks again */

struct queue {
    const char *address;
    char **jobs; /* to be put, ended by a NULL; none: work */
    weft_redis *redis;
};

struct worker {
    weft_redis *redis;
    weft_arena *arena;
    long long number;
};

/* --- putting --- */

/* Each has a number, so that equal ones can be told from one another. */
static int put_job(weft_redis *redis, weft_arena *arena, const char *text)
{
    const weft_redis_value *number;
    weft_arena_reset(arena);
    int err = weft_redis_ask(redis, arena, &number, "INCR jobs:last");
    if (err < 0)
        return err;
    long long n = number->integer;
    err = weft_redis_ask(redis, arena, NULL, "LPUSH jobs:todo %lld:%s", n, text);
    if (err == 0) /* after WEFT_EINDOUBT it is for the user to say whether twice is better */
        printf("%lld:%s: put\n", n, text);
    return err;
}

static int put_jobs(struct queue *queue, weft_arena *arena)
{
    int err = 0;
    for (char **job = queue->jobs; *job && err == 0; job++)
        err = put_job(queue->redis, arena, *job);
    return err;
}

/* --- taking back --- */

/* What is in doubt is asked again, for a job that was moved is moved. */
static int take_back(weft_redis *redis, weft_arena *arena, long long number)
{
    const weft_redis_value *job;
    int err;
    do {
        weft_arena_reset(arena);
        err = weft_redis_ask(redis, arena, &job, "LMOVE jobs:doing:%lld jobs:todo LEFT RIGHT",
                             number);
    } while (err == WEFT_EINDOUBT || (err == 0 && job->kind == WEFT_REDIS_STRING));
    return err;
}

/* A worker is forgotten when it gives no sign of life; not when it ends, for what the server has
 * moved for it in that moment would be in a list that nobody knows. */
static int bury_if_dead(weft_redis *redis, weft_arena *arena, long long number)
{
    const weft_redis_value *is_alive;
    weft_arena_reset(arena);
    int err = weft_redis_ask(redis, arena, &is_alive, "EXISTS jobs:alive:%lld", number);
    if (err < 0 || is_alive->integer)
        return err;
    err = take_back(redis, arena, number);
    return err < 0 ? err : weft_redis_ask(redis, arena, NULL, "SREM jobs:workers %lld", number);
}

static int look_after_all(weft_redis *redis, weft_arena *arena)
{
    weft_redis_scan *scan;
    weft_redis_item item;
    char number[24];
    int err = weft_redis_scan_open(&scan, redis, .command = "SSCAN",
                                   .key = weft_redis_text("jobs:workers"));
    if (err < 0)
        return err;
    while (err == 0 && (err = weft_redis_scan_next(scan, &item)) == 1) {
        snprintf(number, sizeof number, "%.*s", (int)item.name.size, item.name.data);
        err = bury_if_dead(redis, arena, atoll(number));
    }
    weft_redis_scan_close(scan);
    return err;
}

static int undertake(weft_redis *redis, weft_arena *arena)
{
    int err = 0;
    while (err == 0) {
        err = look_after_all(redis, arena);
        if (err == 0 || err == WEFT_EINDOUBT)
            err = weft_sleep(ALIVE_GAP);
    }
    return err;
}

/* --- working --- */

/* A command that is as good twice as once. */
static int send_again(struct worker *worker, const weft_slice *args, size_t count)
{
    weft_redis_call call = {
        .redis = worker->redis, .args = args, .count = count, .idempotent = true
    };
    return weft_redis_send(&call);
}

/* Each time it says who it is, too: the server may be a new one, that has forgotten. */
static int give_a_sign(struct worker *worker)
{
    char key[40], number[24], seconds[8];
    snprintf(number, sizeof number, "%lld", worker->number);
    snprintf(key, sizeof key, "jobs:alive:%s", number);
    snprintf(seconds, sizeof seconds, "%d", ALIVE_FOR);
    weft_slice set[] = { weft_redis_text("SET"), weft_redis_text(key), weft_redis_text("1"),
                         weft_redis_text("EX"), weft_redis_text(seconds) };
    weft_slice add[] = { weft_redis_text("SADD"), weft_redis_text("jobs:workers"),
                         weft_redis_text(number) };
    int err = send_again(worker, set, 5);
    return err < 0 ? err : send_again(worker, add, 3);
}

static int stay_alive(void *worker)
{
    int err = 0;
    while (err == 0 && (err = weft_sleep(ALIVE_GAP)) == 0)
        err = give_a_sign(worker);
    return err;
}

/* Jobs differ by their numbers, so this removes no other one however often it is sent. */
static int finish(struct worker *worker, const weft_redis_value *job)
{
    char list[40];
    snprintf(list, sizeof list, "jobs:doing:%lld", worker->number);
    weft_slice args[] = { weft_redis_text("LREM"),
                          weft_redis_text(list),
                          weft_redis_text("1"),
                          { job->text, job->size } };
    return send_again(worker, args, 4);
}

/* Here a job is done. A cancel ends it at the next thing that waits; once done it is noted down. */
static int do_job(struct worker *worker, const weft_redis_value *job)
{
    weft_scope scope;
    int err = weft_sleep(100 * WEFT_MILLISECOND);
    if (err < 0)
        return err;
    printf("%s: done\n", job->text); /* who is killed here leaves it to be done again, not undone */
    fflush(stdout);
    weft_scope_begin(&scope, .shield = true, .timeout = WEFT_SECOND);
    err = weft_scope_leave(&scope, finish(worker, job));
    return err == -ETIMEDOUT ? WEFT_EINDOUBT : err;
}

/* A worker that is gone without a word asks on, at the server, and what it is given nobody does. So
 * it asks no longer than it counts as alive after that: who buries it takes back all. */
static int do_jobs(struct worker *worker)
{
    const weft_redis_value *job;
    int err = 0;
    while (err == 0) {
        weft_arena_reset(worker->arena);
        err = weft_redis_ask(worker->redis, worker->arena, &job,
                             "BLMOVE jobs:todo jobs:doing:%lld RIGHT LEFT %d", worker->number,
                             ASK_FOR);
        if (err == 0 && job->kind == WEFT_REDIS_STRING)
            err = do_job(worker, job);
        if (err == WEFT_EINDOUBT) /* nothing is in hand: it is in the list, or it never was */
            err = take_back(worker->redis, worker->arena, worker->number);
    }
    return err;
}

static int enlist(struct worker *worker)
{
    const weft_redis_value *number;
    int err = weft_redis_ask(worker->redis, worker->arena, &number, "INCR jobs:last:worker");
    if (err < 0)
        return err;
    worker->number = number->integer;
    return give_a_sign(worker);
}

static int employ(struct worker *worker)
{
    weft_scope scope;
    int err = enlist(worker);
    if (err < 0)
        return err;
    weft_scope_begin(&scope, .name = "worker");
    weft_spawn(&scope, stay_alive, worker);
    err = weft_scope_leave(&scope, do_jobs(worker));
    weft_scope_begin(&scope, .shield = true, .timeout = WEFT_SECOND); /* a cancel stays outside */
    weft_scope_leave(&scope, take_back(worker->redis, worker->arena, worker->number));
    return err;
}

static int work(void *redis)
{
    struct worker worker = { .redis = redis };
    int err = weft_arena_new(&worker.arena, 0);
    if (err == 0)
        err = employ(&worker);
    weft_arena_free(worker.arena);
    return err;
}

static int work_together(weft_redis *redis, weft_arena *arena)
{
    weft_scope scope;
    weft_scope_begin(&scope);
    for (int i = 0; i < WORKERS; i++)
        weft_spawn(&scope, work, redis);
    return weft_scope_leave(&scope, undertake(redis, arena));
}

static int run(void *arg)
{
    struct queue *queue = arg;
    weft_arena *arena;
    int err = weft_arena_new(&arena, 0);
    if (err < 0)
        return err;
    err = weft_redis_open(&queue->redis, queue->address);
    if (err == 0) {
        err = *queue->jobs ? put_jobs(queue, arena) : work_together(queue->redis, arena);
        weft_redis_close(queue->redis);
    }
    weft_arena_free(arena);
    return err;
}

int main(int argc, char **argv)
{
    struct queue queue = { argc > 1 ? argv[1] : "redis://127.0.0.1:6379",
                           argc > 1 ? argv + 2 : argv + argc, NULL };
    int err = weft_run(run, &queue);
    return err < 0 && err != -ECANCELED && fprintf(stderr, "jobs: %s\n", weft_error_text(err));
}
