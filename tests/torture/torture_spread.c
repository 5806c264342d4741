/* Broadcasts, watches, tokens and trackers, under the torture driver: whatever is cancelled or
 * fails, no message is lost that was not said to be missed, nobody is left in a line, and the
 * object can be used afterwards. */

#include "torture.h"

#include <errno.h>
#include <stdlib.h>
#include <weft/broadcast.h>
#include <weft/error.h>
#include <weft/select.h>
#include <weft/stackless.h>
#include <weft/task.h>
#include <weft/token.h>
#include <weft/tracker.h>
#include <weft/watch.h>

static int taken, dropped; /* what was given away, and what came back */
static weft_tracker tracker;

static void begin(void)
{
    taken = dropped = 0;
    weft_tracker_init(&tracker);
}

static void check(int result)
{
    torture_require(taken == dropped);
    torture_require(weft_tracker_count(&tracker) == 0);
    weft_tracker_fini(&tracker);
    torture_accept(result);
    if (torture_is_calm())
        torture_require(result == 0);
}

/* Who waits for one that was cancelled alone runs into its deadline. */
static int verdict(int err)
{
    return err == -ETIMEDOUT && !torture_is_calm() ? 0 : err;
}

static int unless_closed(int err)
{
    return err == WEFT_ECLOSED ? 0 : err;
}

/* Broadcasts. A listener's subscription is ended by its drop, whether it has run or not, so nobody
 * waits for one that is gone. */

enum { MESSAGES = 7 };

struct listener {
    weft_stackless self;
    weft_subscription s;
    int next; /* the message that comes */
    int item;
};

static weft_broadcast news;

static struct listener *subscribe(void)
{
    struct listener *listener = calloc(1, sizeof *listener);
    torture_require(listener);
    torture_require(weft_subscription_begin(&listener->s, &news) == 0);
    taken++;
    return listener;
}

static void unsubscribe(void *arg)
{
    struct listener *listener = arg;
    weft_subscription_end(&listener->s);
    free(listener);
    dropped++;
}

/* Consecutive, but for those that it was told it has missed. */
static void receive(struct listener *listener, int64_t missed)
{
    torture_require(listener->item == listener->next + missed);
    listener->next = listener->item + 1;
}

static int listen_to_news(void *arg)
{
    struct listener *listener = arg;
    ssize_t result;
    while ((result = weft_subscription_receive(&listener->s, &listener->item)) >= 0) {
        receive(listener, result);
        if (listener->item % 2 == 0 && (result = weft_sleep(WEFT_MILLISECOND)) < 0)
            break;
    }
    return unless_closed((int)result);
}

/* Beside a time that comes again and again. */
static int select_news(void *arg)
{
    struct listener *listener = arg;
    weft_case cases[] = { weft_case_subscription(&listener->s, &listener->item),
                          weft_case_after(WEFT_MILLISECOND / 2) };
    for (;;) {
        ssize_t index = weft_select(cases, 2);
        if (index < 0)
            return (int)index;
        if (index == 0 && cases[0].result < 0)
            return unless_closed((int)cases[0].result);
        if (index == 0)
            receive(listener, cases[0].result);
    }
}

static int receive_step(weft_stackless *self, int64_t result)
{
    struct listener *listener = weft_stackless_of(self, struct listener, self);
    if (result < 0)
        return unless_closed((int)result);
    if (listener->item >= 0)
        receive(listener, result);
    return weft_then_subscription(self, &listener->s, &listener->item, receive_step);
}

static void drop_step(weft_stackless *self)
{
    unsubscribe(weft_stackless_of(self, struct listener, self));
}

static const weft_stackless_kind receiver = WEFT_STACKLESS(receive_step, drop_step);

static int tell_news(void *arg)
{
    int err = 0;
    (void)arg;
    for (int i = 0; i < MESSAGES && err >= 0; i++) {
        err = weft_broadcast_send(&news, &i);
        if (err >= 0 && i == 3)
            err = weft_sleep(2 * WEFT_MILLISECOND);
    }
    weft_broadcast_close(&news);
    return err < 0 ? err : 0;
}

static void spawn_listener(weft_scope *scope, weft_fn *fn)
{
    struct listener *listener = subscribe();
    if (weft_spawn(scope, fn, listener, .drop = unsubscribe) < 0)
        unsubscribe(listener);
}

static void spawn_stackless(weft_scope *scope)
{
    struct listener *listener = subscribe();
    listener->item = -1;
    if (weft_stackless_spawn(scope, &listener->self, &receiver) < 0)
        unsubscribe(listener);
}

/* Nobody is left; what was closed is drained. */
static void require_idle_news(void)
{
    weft_broadcast_stats stats;
    weft_broadcast_get_stats(&news, &stats);
    torture_require(stats.senders.waiting == 0);
    torture_require(stats.receivers == 0);
    torture_require(stats.subscriptions == 0);
}

/* It works as on its first day. */
static void require_usable_news(void)
{
    weft_subscription s;
    int item = 77, got = 0;
    torture_require(weft_subscription_begin(&s, &news) == 0);
    int sent = weft_broadcast_try_send(&news, &item);
    torture_require(sent == 1 || sent == WEFT_ECLOSED);
    int received = (int)weft_subscription_try_receive(&s, &got);
    torture_require(sent == 1 ? received == 0 && got == item : received == WEFT_ECLOSED);
    weft_subscription_end(&s);
}

static int spread_news(bool wait_for_slowest)
{
    weft_scope scope;
    int err = weft_broadcast_init(&news, sizeof(int), 2, .wait_for_slowest = wait_for_slowest);
    if (err < 0)
        return err;
    weft_scope_begin(&scope, .timeout = WEFT_MINUTE);
    spawn_listener(&scope, listen_to_news);
    spawn_listener(&scope, select_news);
    spawn_stackless(&scope);
    weft_spawn(&scope, tell_news, NULL);
    err = weft_scope_end(&scope);
    require_idle_news();
    require_usable_news();
    weft_broadcast_fini(&news);
    return verdict(err);
}

static int broadcast_to_the_slowest(void *arg)
{
    (void)arg;
    return spread_news(true);
}

static int broadcast_to_the_newest(void *arg)
{
    (void)arg;
    return spread_news(false);
}

/* Two that share one subscription, which ends while they wait. */

static weft_subscription shared;

static int share(void *arg)
{
    int item, err;
    (void)arg;
    while ((err = (int)weft_subscription_receive(&shared, &item)) >= 0)
        ;
    return unless_closed(err);
}

static int send_and_wait(void *arg)
{
    int item = 1;
    (void)arg;
    int err = weft_broadcast_send(&news, &item);
    if (err >= 0)
        err = weft_broadcast_send(&news, &item);
    return err < 0 ? err : weft_sleep(WEFT_MILLISECOND);
}

static int end_while_waited_for(void *arg)
{
    weft_scope scope;
    (void)arg;
    int err = weft_broadcast_init(&news, sizeof(int), 1, .wait_for_slowest = true);
    if (err < 0)
        return err;
    torture_require(weft_subscription_begin(&shared, &news) == 0);
    weft_scope_begin(&scope, .timeout = WEFT_MINUTE);
    weft_spawn(&scope, share, NULL);
    weft_spawn(&scope, share, NULL);
    weft_spawn(&scope, send_and_wait, NULL);
    err = weft_sleep(WEFT_MILLISECOND);
    weft_subscription_end(&shared);
    err = weft_scope_leave(&scope, err);
    require_idle_news();
    require_usable_news();
    weft_broadcast_fini(&news);
    return verdict(err);
}

/* Watches. */

static weft_watch level;

static int watch_level(void *arg)
{
    uint64_t seen = 0, before = 0;
    int value, err;
    (void)arg;
    while ((err = weft_watch_next(&level, &seen, &value)) == 0) {
        torture_require(seen > before && (uint64_t)value == seen);
        before = seen;
    }
    return unless_closed(err);
}

static int select_level(void *arg)
{
    uint64_t seen = 0;
    int value;
    (void)arg;
    weft_case cases[] = { weft_case_watch(&level, &seen, &value),
                          weft_case_after(WEFT_MILLISECOND / 2) };
    for (;;) {
        ssize_t index = weft_select(cases, 2);
        if (index < 0)
            return (int)index;
        if (index == 0 && cases[0].result < 0)
            return unless_closed((int)cases[0].result);
        torture_require(seen == 0 || (uint64_t)value == seen);
    }
}

struct reader {
    weft_stackless self;
    weft_watch_view view;
    uint64_t seen;
    int value;
};

static int read_step(weft_stackless *self, int64_t result)
{
    struct reader *reader = weft_stackless_of(self, struct reader, self);
    if (result < 0)
        return unless_closed((int)result);
    torture_require((uint64_t)reader->value == reader->seen);
    return weft_then_watch(self, &level, &reader->view, read_step);
}

static const weft_stackless_kind reader_kind = WEFT_STACKLESS(read_step, NULL);

static int set_level(void *arg)
{
    int err = 0;
    (void)arg;
    for (int i = 2; i < 7 && err == 0; i++) {
        err = weft_watch_set(&level, &i);
        if (err == 0 && i % 2 == 0)
            err = weft_sleep(WEFT_MILLISECOND);
    }
    weft_watch_close(&level);
    return err;
}

static int watches(void *arg)
{
    struct reader reader = { .value = 0 };
    weft_watch_stats stats;
    weft_scope scope;
    int value = 1;
    (void)arg;
    int err = weft_watch_init(&level, sizeof value, &value);
    if (err < 0)
        return err;
    reader.view = (weft_watch_view){ &reader.seen, &reader.value };
    weft_scope_begin(&scope, .timeout = WEFT_MINUTE);
    weft_spawn(&scope, watch_level, NULL);
    weft_spawn(&scope, watch_level, NULL);
    weft_spawn(&scope, select_level, NULL);
    weft_stackless_spawn(&scope, &reader.self, &reader_kind);
    weft_spawn(&scope, set_level, NULL);
    err = weft_scope_end(&scope);
    weft_watch_get_stats(&level, &stats);
    torture_require(stats.line.waiting == 0);
    torture_require(weft_watch_get(&level, &value) == 0 && (uint64_t)value == stats.set);
    weft_watch_fini(&level);
    return verdict(err);
}

/* Tokens. */

static weft_token all, some;

static int wait_for_token(void *token)
{
    int err = weft_token_wait(token);
    torture_require(err < 0 || weft_token_is_cancelled(token));
    return err;
}

/* Ends with its token, or with whatever else befalls it. */
static int work_below(void *token)
{
    weft_scope scope;
    weft_scope_begin(&scope, .timeout = WEFT_MINUTE);
    int err = weft_token_bind(token, &scope);
    torture_require(err == 0);
    weft_spawn(&scope, wait_for_token, &all);
    weft_case cases[] = { weft_case_after(WEFT_HOUR), weft_case_token(&all) };
    ssize_t index = weft_select(cases, 2);
    return verdict(weft_scope_leave(&scope, index < 0 ? (int)index : 0));
}

static int token_step(weft_stackless *self, int64_t result)
{
    if (result < 0)
        return (int)result;
    return weft_token_is_cancelled(&some) ? 0 : weft_then_token(self, &some, token_step);
}

static const weft_stackless_kind token_kind = WEFT_STACKLESS(token_step, NULL);

static int cancel_tokens(void *arg)
{
    (void)arg;
    int err = weft_sleep(WEFT_MILLISECOND);
    weft_token_cancel(&some, "some");
    if (err == 0)
        err = weft_sleep(WEFT_MILLISECOND);
    weft_token_cancel(&all, "all");
    return err;
}

static void require_idle_token(const weft_token *token)
{
    weft_token_stats stats;
    weft_token_get_stats(token, &stats);
    torture_require(stats.line.waiting == 0);
    torture_require(stats.scopes == 0);
}

static int tokens(void *arg)
{
    weft_stackless stackless;
    weft_scope scope;
    (void)arg;
    torture_require(weft_token_init(&all, NULL) == 0);
    torture_require(weft_token_init(&some, &all) == 0);
    weft_scope_begin(&scope, .timeout = WEFT_MINUTE);
    weft_spawn(&scope, work_below, &all);
    weft_spawn(&scope, work_below, &some);
    weft_spawn(&scope, work_below, &some, .eager = true);
    weft_spawn(&scope, wait_for_token, &some);
    weft_stackless_spawn(&scope, &stackless, &token_kind);
    weft_spawn(&scope, cancel_tokens, NULL);
    int err = weft_scope_end(&scope);
    require_idle_token(&all);
    require_idle_token(&some);
    weft_token_cancel(&all, "at the end");
    torture_require(weft_token_is_cancelled(&some));
    weft_token_fini(&all);
    weft_token_fini(&some);
    return verdict(err);
}

/* Trackers: tasks in the background and in a scope, and something by hand. */

static void give_back(void *arg)
{
    free(arg);
    dropped++;
}

static int sleep_a_little(void *arg)
{
    return weft_sleep(*(int *)arg * WEFT_MILLISECOND);
}

static int track(weft_scope *scope, int time, bool eager)
{
    int *arg = malloc(sizeof *arg);
    torture_require(arg);
    *arg = time;
    taken++;
    int err = weft_tracker_spawn(&tracker, sleep_a_little, arg, .scope = scope, .drop = give_back,
                                 .eager = eager);
    if (err < 0)
        give_back(arg);
    return err;
}

static int done_later(void *arg)
{
    (void)arg;
    int err = weft_sleep(WEFT_MILLISECOND);
    torture_require(weft_tracker_done(&tracker) == 0);
    return err;
}

static void not_done(void *arg)
{
    bool *begun = arg;
    if (!*begun)
        torture_require(weft_tracker_done(&tracker) == 0);
}

static int begin_done_later(void *arg)
{
    *(bool *)arg = true;
    return done_later(NULL);
}

static int wait_for_tracker(void *arg)
{
    (void)arg;
    return weft_tracker_wait(&tracker);
}

static int trackers(void *arg)
{
    static bool begun;
    weft_scope scope;
    int copied = 1;
    (void)arg;
    begun = false;
    weft_scope_begin(&scope, .timeout = WEFT_MINUTE);
    int err = track(NULL, 2, false);
    if (err == 0)
        err = track(&scope, 1, false);
    if (err == 0)
        err = track(NULL, 1, true);
    if (err == 0)
        err = weft_tracker_spawn(&tracker, sleep_a_little, &copied, .copy = sizeof copied);
    torture_require(weft_tracker_add(&tracker, 1) == 0);
    if (weft_spawn(&scope, begin_done_later, &begun, .drop = not_done) < 0)
        torture_require(weft_tracker_done(&tracker) == 0);
    weft_spawn(&scope, wait_for_tracker, NULL);
    if (err == 0)
        err = weft_sleep(0);
    weft_tracker_close(&tracker);
    if (err == 0)
        err = weft_tracker_wait(&tracker);
    return verdict(weft_scope_leave(&scope, err));
}

static const struct torture_scenario scenarios[] = {
    { "broadcast_to_the_slowest", broadcast_to_the_slowest, begin, check },
    { "broadcast_to_the_newest", broadcast_to_the_newest, begin, check },
    { "end_while_waited_for", end_while_waited_for, begin, check },
    { "watches", watches, begin, check },
    { "tokens", tokens, begin, check },
    { "trackers", trackers, begin, check },
};

int main(void)
{
    return torture(scenarios, TORTURE_COUNT(scenarios));
}
