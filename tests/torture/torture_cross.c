/* Crossing threads under the torture driver: tasks in another loop, mailboxes both ways.
 *
 * The other loop lives as long as each run's main, on a thread of its own and in virtual time. Only
 * the main loop is tortured. What must hold whatever fails: each argument and each item has come
 * back once, nothing is left in flight, and whoever was cancelled has waited for those that use its
 * memory. Nobody here has a deadline: the other loop may be slow, but it always answers. */

#include "owned.h"

#include <pthread.h>
#include <semaphore.h>
#include <weft.h>

/* The other loop. */

static struct other {
    pthread_t thread;
    sem_t ready;
    weft_loop *loop;
    weft_future *stop;
    struct weft_notice notice; /* stops it without memory */
} other;

static void stop_other(void *arg)
{
    (void)arg;
    weft_future_set(other.stop, NULL);
}

static int other_main(void *arg)
{
    (void)arg;
    other.stop = weft_future_new();
    other.loop = weft_loop_retain(weft_loop_current());
    weft_notice_init(&other.notice, other.loop, stop_other, NULL);
    sem_post(&other.ready);
    int err = weft_await(other.stop);
    weft_notice_fini(&other.notice);
    weft_future_release(other.stop);
    return err;
}

static void *other_thread(void *arg)
{
    torture_require(weft_run(other_main, arg, .clock = WEFT_CLOCK_TEST, .no_signals = true) == 0);
    return NULL;
}

static void open_other(void)
{
    sem_init(&other.ready, 0, 0);
    torture_require(pthread_create(&other.thread, NULL, other_thread, NULL) == 0);
    while (sem_wait(&other.ready) < 0)
        ;
}

static void close_other(void)
{
    torture_require(weft_signal_post(&other.notice) == 0);
    pthread_join(other.thread, NULL);
    sem_destroy(&other.ready);
    weft_loop_release(other.loop);
}

/* The first error of several. */
static int first_of(int err, int next)
{
    return err < 0 ? err : next;
}

/* Tasks there. */

static weft_future *ask_other(weft_fn *fn, int number)
{
    return weft_spawn_on(other.loop, fn, own(number), .drop = give_back);
}

static int await_and_release(weft_future *future, int due)
{
    void *value = NULL;
    int err = weft_await_value(future, &value);
    torture_require(is_due(err, due));
    torture_require(err < 0 || number_of(value) > 0);
    weft_future_release(future);
    return err == due ? 0 : err;
}

static int one_there(void *arg)
{
    (void)arg;
    open_other();
    int err = await_and_release(ask_other(in_a_while, 3), 0);
    err = first_of(err, await_and_release(ask_other(fail_in_a_while, 2), -EBADF));
    weft_future *future = ask_other(in_a_while, 1);
    weft_future_release(future); /* detached */
    close_other();
    return err;
}

/* The function writes into the frame of who waits. */
static int write_there(void *arg)
{
    int err = weft_sleep(WEFT_MILLISECOND);
    *(int *)arg = 7;
    return err;
}

static int await_frame(void *arg)
{
    (void)arg;
    int written = 0;
    weft_future *future = weft_spawn_on(other.loop, write_there, &written);
    bool made = future != NULL;
    int err = weft_await(future);
    torture_accept(err);
    torture_require(!made || weft_future_is_done(future));
    weft_future_release(future);
    return err;
}

static int bound(void *arg)
{
    (void)arg;
    weft_scope scope;
    open_other();
    weft_scope_begin(&scope);
    for (int i = 0; i < 3; i++)
        weft_spawn(&scope, await_frame, NULL);
    int err = await_frame(NULL);
    err = weft_scope_leave(&scope, err);
    close_other();
    return err;
}

static int several(void *arg)
{
    (void)arg;
    open_other();
    weft_future *futures[3] = { ask_other(in_a_while, 2), ask_other(fail_in_a_while, 1),
                                ask_other(at_once, 5) };
    weft_awaitable *list[3] = { weft_any(futures[0]), weft_any(futures[1]), weft_any(futures[2]) };
    int results[3];
    int err = weft_gather(list, 3, .results = results, .on_error = WEFT_CANCEL_REST);
    torture_require(is_due(err, -EBADF) || err == 0);
    for (int i = 0; i < 3; i++)
        weft_future_release(futures[i]);
    close_other();
    return err == -EBADF ? 0 : err;
}

/* Mailboxes carry pointers that somebody has to free. */

static void give_item_back(void *item)
{
    give_back(*(void **)item);
}

static int send_numbers(void *arg)
{
    weft_mailbox *box = *(weft_mailbox **)arg;
    int err = 0;
    for (int i = 1; err == 0 && i <= 8; i++) {
        void *item = own(i);
        err = weft_mailbox_send(box, &item);
        if (err < 0)
            give_back(item);
    }
    weft_mailbox_release(box);
    return err == WEFT_ECLOSED ? 0 : err;
}

/* In order, one by one and several at once. */
static int receive_numbers(weft_mailbox *box)
{
    void *items[3];
    int next = 1;
    while (next <= 8) {
        ssize_t count = weft_mailbox_receive_many(box, items, 3);
        torture_accept(count);
        if (count < 0)
            return (int)count;
        for (ssize_t i = 0; i < count; i++, next++) {
            torture_require(number_of(items[i]) == next);
            give_back(items[i]);
        }
    }
    return 0;
}

static int from_there(void *arg)
{
    (void)arg;
    weft_mailbox *box;
    open_other();
    int err = weft_mailbox_new(&box, sizeof(void *), 2, .drop = give_item_back);
    torture_accept(err);
    if (err < 0) {
        close_other();
        return err;
    }
    weft_mailbox *theirs = weft_mailbox_retain(box);
    weft_future *sender = weft_spawn_on(other.loop, send_numbers, &theirs, .copy = sizeof theirs);
    err = sender ? receive_numbers(box) : weft_await(sender);
    if (!sender)
        weft_mailbox_release(theirs);
    weft_mailbox_close(box); /* where that has failed, the sender has to end */
    weft_future_release(sender);
    weft_mailbox_release(box);
    close_other();
    return err;
}

/* The other loop receives; three tasks here send, and wait for room most of the time. */

static weft_mailbox *out;
static atomic_int arrived;
static int sent;

static int open_there(void *arg)
{
    (void)arg;
    return weft_mailbox_new(&out, sizeof(void *), 1, .drop = give_item_back);
}

static int receive_there(void *arg)
{
    (void)arg;
    void *item;
    int err;
    while ((err = weft_mailbox_receive(out, &item)) == 0) {
        atomic_fetch_add(&arrived, 1);
        give_back(item);
    }
    weft_mailbox_release(out);
    return err == WEFT_ECLOSED ? 0 : err;
}

static int send_there(void *arg)
{
    (void)arg;
    int err = 0;
    for (int i = 1; err == 0 && i <= 4; i++) {
        void *item = own(i);
        err = weft_mailbox_send(out, &item);
        if (err < 0)
            give_back(item);
        sent += err == 0;
    }
    return err;
}

/* A plain thread makes the mailbox there and has it received from: nothing of that is tortured. */
static void *prepare(void *arg)
{
    (void)arg;
    torture_require(weft_spawn_on_wait(other.loop, open_there, NULL, WEFT_FOREVER) == 0);
    weft_mailbox_retain(out);
    return NULL;
}

static void *wait_for_receiver(void *arg)
{
    (void)arg;
    torture_require(weft_spawn_on_wait(other.loop, receive_there, NULL, WEFT_FOREVER) == 0);
    return NULL;
}

static int to_there(void *arg)
{
    (void)arg;
    pthread_t maker, receiver;
    weft_scope scope;
    sent = 0;
    atomic_store(&arrived, 0);
    open_other();
    torture_require(pthread_create(&maker, NULL, prepare, NULL) == 0);
    pthread_join(maker, NULL);
    torture_require(pthread_create(&receiver, NULL, wait_for_receiver, NULL) == 0);
    weft_scope_begin(&scope);
    for (int i = 0; i < 3; i++)
        weft_spawn(&scope, send_there, NULL);
    int err = weft_scope_end(&scope);
    weft_mailbox_close(out);
    pthread_join(receiver, NULL);
    torture_require(atomic_load(&arrived) == sent); /* what was sent has arrived, and no more */
    weft_mailbox_release(out);
    close_other();
    return err;
}

static const char *const unread[] = { "failed and nobody read its result", NULL };

int main(void)
{
    static const struct torture_scenario scenarios[] = {
        { "cross, one", one_there, owned_begin, owned_check },
        { "cross, bound", bound, owned_begin, owned_check, .says = unread },
        { "cross, several", several, owned_begin, owned_check, .says = unread },
        { "cross, mailbox in", from_there, owned_begin, owned_check },
        { "cross, mailbox out", to_there, owned_begin, owned_check },
    };
    return torture(scenarios, TORTURE_COUNT(scenarios));
}
