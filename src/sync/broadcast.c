/* Broadcasts: a ring of messages, and for each subscription the number of its next one.
 *
 *     number      tail                              head
 *     slot     ┌───┴────┬────────┬────────┬────────┐  └── the next message that is sent
 *     left     │   2    │   2    │   1    │   1    │      (.wait_for_slowest: who has yet to
 *              └────────┴────────┴────────┴────────┘       receive it)
 *                   └── A's next          └── B's next
 *
 * A message is copied into the ring, and at once to each subscription whose receiver waits: such a
 * one has received all others. So sending costs a copy, and one more for each that waits;
 * receiving costs a copy. Who falls behind by more than the ring holds finds out when it receives.
 *
 *   - head - tail <= capacity; tail <= next <= head, but for who has missed messages
 *   - who waits for a message has next == head, and its subscription is in `waiting`
 *   - slots from tail on are kept while `left` of the first is not 0: senders wait while all are,
 *     and only then, so nobody overtakes
 *   - waking calls no user's code, but a select that is served leaves its other lines */

#include "base/error.h"
#include "base/memory.h"
#include "core/line.h"
#include "sync/bound.h"
#include "sync/objects.h"

#include <limits.h>
#include <stdio.h>
#include <weft/broadcast.h>
#include <weft/error.h>

struct broadcast {
    struct wf_bound bound;
    char *items;    /* room for `capacity` of them */
    uint32_t *left; /* by slot: subscriptions that have yet to receive it; NULL: nobody waits for
                       the slowest */
    size_t item_size;
    size_t capacity;
    uint64_t head;
    uint64_t tail;                /* the oldest message that is kept */
    struct wf_list subscriptions; /* those for which nobody waits */
    struct wf_list waiting;       /* those for which somebody does, who has waited longest first */
    size_t waiting_count;
    size_t count; /* of both */
    uint64_t missed;
    struct wf_line senders;
    bool closed;
};

struct subscription {
    struct wf_list link;
    struct broadcast *broadcast; /* NULL: it has not begun, or has ended */
    uint64_t next;
    struct wf_line receivers;
    uint64_t received;
    uint64_t missed;
};

_Static_assert(sizeof(struct broadcast) <= sizeof(weft_broadcast), "weft_broadcast is too small");
_Static_assert(sizeof(struct subscription) <= sizeof(weft_subscription),
               "weft_subscription is too small");

static struct broadcast *inside(const weft_broadcast *broadcast)
{
    return (struct broadcast *)(uintptr_t)broadcast;
}

static struct subscription *inside_subscription(const weft_subscription *subscription)
{
    return (struct subscription *)(uintptr_t)subscription;
}

static struct subscription *of_link(struct wf_list *link)
{
    return wf_container(link, struct subscription, link);
}

static int check(struct broadcast *broadcast)
{
    return wf_bound_check(&broadcast->bound, "broadcast");
}

/* Slots. */

static char *item_at(const struct broadcast *broadcast, uint64_t number)
{
    return broadcast->items + number % broadcast->capacity * broadcast->item_size;
}

static bool is_full(const struct broadcast *broadcast)
{
    return broadcast->left && broadcast->head - broadcast->tail == broadcast->capacity;
}

/* One subscription has received it, or never will: with `left` none has missed any. */
static void strike(struct broadcast *broadcast, uint64_t number)
{
    if (broadcast->left)
        broadcast->left[number % broadcast->capacity]--;
}

/* Messages that all have received are kept no longer. */
static void move_tail(struct broadcast *broadcast)
{
    if (!broadcast->left) {
        if (broadcast->head - broadcast->tail > broadcast->capacity)
            broadcast->tail = broadcast->head - broadcast->capacity;
        return;
    }
    while (broadcast->tail < broadcast->head &&
           broadcast->left[broadcast->tail % broadcast->capacity] == 0)
        broadcast->tail++;
}

/* Receivers. */

static void begin_waiting(struct subscription *s)
{
    struct broadcast *broadcast = s->broadcast;
    wf_list_unlink(&s->link);
    wf_list_push_back(&broadcast->waiting, &s->link);
    broadcast->waiting_count++;
}

static void end_waiting(struct subscription *s)
{
    struct broadcast *broadcast = s->broadcast;
    wf_list_unlink(&s->link);
    wf_list_push_back(&broadcast->subscriptions, &s->link);
    broadcast->waiting_count--;
}

/* The one who has waited longest for its next message. */
static struct wf_waiter *pop_receiver(struct subscription *s)
{
    struct wf_waiter *w = wf_line_pop(&s->receivers);
    if (wf_line_is_empty(&s->receivers))
        end_waiting(s);
    return w;
}

static void give(struct subscription *s, const void *item)
{
    struct wf_waiter *w = pop_receiver(s);
    strike(s->broadcast, s->next++);
    s->received++;
    wf_item_copy(w->item, item, s->broadcast->item_size);
    if (!wf_line_is_empty(&s->receivers)) { /* behind those who wait for this message */
        wf_list_unlink(&s->link);
        wf_list_push_back(&s->broadcast->waiting, &s->link);
    }
    wf_wake(w, 0);
}

/* Sending. */

/* There is room. How many it goes to. */
static int put(struct broadcast *broadcast, const void *item)
{
    uint64_t number = broadcast->head++;
    size_t count = broadcast->count;
    struct wf_list *link;
    wf_item_copy(item_at(broadcast, number), item, broadcast->item_size);
    if (broadcast->left)
        broadcast->left[number % broadcast->capacity] = (uint32_t)count;
    while ((link = wf_list_first(&broadcast->waiting)) && of_link(link)->next == number)
        give(of_link(link), item);
    move_tail(broadcast);
    return count < INT_MAX ? (int)count : INT_MAX;
}

/* Room has become free: those who wait send. */
static void let_senders_in(struct broadcast *broadcast)
{
    while (!is_full(broadcast) && !wf_line_is_empty(&broadcast->senders)) {
        struct wf_waiter *w = wf_line_pop(&broadcast->senders);
        wf_wake(w, put(broadcast, w->item));
    }
}

static bool try_send(struct broadcast *broadcast, const void *item, int64_t *result)
{
    *result = check(broadcast);
    if (*result == 0 && broadcast->closed)
        *result = WEFT_ECLOSED;
    if (*result < 0)
        return true;
    if (is_full(broadcast))
        return false;
    *result = put(broadcast, item);
    return true;
}

/* Receiving. */

/* Past those that are overwritten; how many they were. */
static uint64_t skip_missed(struct subscription *s)
{
    uint64_t tail = s->broadcast->tail, missed = tail > s->next ? tail - s->next : 0;
    s->next += missed;
    s->missed += missed;
    s->broadcast->missed += missed;
    return missed;
}

static int64_t pull(struct subscription *s, void *item)
{
    struct broadcast *broadcast = s->broadcast;
    uint64_t missed = skip_missed(s);
    wf_item_copy(item, item_at(broadcast, s->next), broadcast->item_size);
    strike(broadcast, s->next++);
    s->received++;
    move_tail(broadcast);
    let_senders_in(broadcast);
    return (int64_t)missed;
}

static int check_begun(struct subscription *s)
{
    if (s->broadcast)
        return check(s->broadcast);
    return wf_misuse(-ESHUTDOWN, "a message was asked of a subscription that has not begun, or has "
                                 "ended");
}

static bool try_receive(struct subscription *s, void *item, int64_t *result)
{
    *result = check_begun(s);
    if (*result < 0)
        return true;
    if (s->next < s->broadcast->head)
        *result = pull(s, item);
    else if (s->broadcast->closed)
        *result = WEFT_ECLOSED;
    else
        return false;
    return true;
}

/* Birth and death. */

static int make_room(struct broadcast *broadcast, bool counts)
{
    size_t capacity = broadcast->capacity, size = broadcast->item_size ? broadcast->item_size : 1;
    if (capacity > SIZE_MAX / 2 / (size > sizeof(uint32_t) ? size : sizeof(uint32_t)))
        return -ENOMEM;
    broadcast->items = wf_alloc(capacity * size);
    broadcast->left = counts ? wf_alloc(capacity * sizeof *broadcast->left) : NULL;
    if (broadcast->items && (broadcast->left || !counts))
        return 0;
    wf_free(broadcast->items);
    wf_free(broadcast->left);
    return -ENOMEM;
}

int weft_broadcast_init_with(weft_broadcast *opaque, const struct weft_broadcast_options *options)
{
    struct broadcast *broadcast = inside(opaque);
    if (options->capacity == 0)
        return wf_misuse(-EINVAL, "a broadcast with room for nothing, at %s",
                         wf_site(options->site));
    *broadcast =
        (struct broadcast){ .item_size = options->item_size, .capacity = options->capacity };
    wf_bound_init(&broadcast->bound, options->site);
    wf_list_init(&broadcast->subscriptions);
    wf_list_init(&broadcast->waiting);
    if (make_room(broadcast, options->wait_for_slowest) < 0)
        return wf_fail(-ENOMEM, "no memory for a broadcast of %zu messages", options->capacity);
    return 0;
}

/* Nobody waits for it any more. */
static void detach(struct subscription *s)
{
    wf_list_remove(&s->link);
    s->broadcast->count--;
    s->broadcast = NULL;
}

static uint32_t count_waiting(const struct broadcast *broadcast)
{
    uint32_t count = broadcast->senders.length;
    WF_LIST_EACH(link, &broadcast->waiting)
        count += of_link(link)->receivers.length;
    return count;
}

void weft_broadcast_fini(weft_broadcast *opaque)
{
    struct broadcast *broadcast = inside(opaque);
    struct wf_list *link;
    if (!broadcast)
        return;
    uint32_t waiting = count_waiting(broadcast);
    if (waiting > 0)
        wf_bound_in_use(&broadcast->bound, "broadcast", waiting);
    while ((link = wf_list_first(&broadcast->subscriptions)))
        detach(of_link(link));
    wf_free(broadcast->items);
    wf_free(broadcast->left);
    broadcast->items = NULL;
    broadcast->left = NULL;
    broadcast->closed = true;
}

void weft_broadcast_close(weft_broadcast *opaque)
{
    struct broadcast *broadcast = inside(opaque);
    struct wf_list *link;
    if (broadcast->closed || check(broadcast) < 0)
        return;
    broadcast->closed = true;
    wf_line_wake_all(&broadcast->senders, WEFT_ECLOSED);
    while ((link = wf_list_first(&broadcast->waiting)))
        wf_wake(pop_receiver(of_link(link)), WEFT_ECLOSED);
}

int weft_subscription_begin(weft_subscription *opaque, weft_broadcast *opaque_broadcast)
{
    struct subscription *s = inside_subscription(opaque);
    struct broadcast *broadcast = inside(opaque_broadcast);
    *s = (struct subscription){ .broadcast = NULL };
    int err = check(broadcast);
    if (err < 0)
        return err;
    s->broadcast = broadcast;
    s->next = broadcast->head;
    wf_list_push_back(&broadcast->subscriptions, &s->link);
    broadcast->count++;
    return 0;
}

void weft_subscription_end(weft_subscription *opaque)
{
    struct subscription *s = inside_subscription(opaque);
    struct broadcast *broadcast = s->broadcast;
    if (!broadcast || check(broadcast) < 0)
        return;
    while (!wf_line_is_empty(&s->receivers))
        wf_wake(pop_receiver(s), WEFT_ECLOSED);
    for (uint64_t number = s->next; broadcast->left && number < broadcast->head; number++)
        strike(broadcast, number);
    detach(s);
    move_tail(broadcast);
    let_senders_in(broadcast);
}

/* Waiting. */

static bool take_send(struct wf_waiter *w, int64_t *result)
{
    return try_send(w->object, w->item, result);
}

static void join_send(struct wf_waiter *w)
{
    struct broadcast *broadcast = w->object;
    wf_line_join(&broadcast->senders, w);
}

static bool abort_send(struct wf_waiter *w)
{
    struct broadcast *broadcast = w->object;
    wf_line_leave(&broadcast->senders, w);
    return true;
}

static const char *describe_send(const struct wf_waiter *w, char *text, size_t size)
{
    const struct broadcast *broadcast = w->object;
    snprintf(text, size, "room in the broadcast (made at %s), which has %llu",
             wf_site(broadcast->bound.site),
             (unsigned long long)(broadcast->head - broadcast->tail));
    return text;
}

static const struct wf_wait_ops send_ops = { .kind = "room in a broadcast",
                                             .abort = abort_send,
                                             .take = take_send,
                                             .join = join_send,
                                             .describe = describe_send };

static bool take_receive(struct wf_waiter *w, int64_t *result)
{
    return try_receive(w->object, w->item, result);
}

static void join_receive(struct wf_waiter *w)
{
    struct subscription *s = w->object;
    if (wf_line_is_empty(&s->receivers))
        begin_waiting(s);
    wf_line_join(&s->receivers, w);
}

static bool abort_receive(struct wf_waiter *w)
{
    struct subscription *s = w->object;
    wf_line_leave(&s->receivers, w);
    if (wf_line_is_empty(&s->receivers))
        end_waiting(s);
    return true;
}

static const char *describe_receive(const struct wf_waiter *w, char *text, size_t size)
{
    const struct subscription *s = w->object;
    snprintf(text, size, "a message of the broadcast (made at %s)",
             wf_site(s->broadcast->bound.site));
    return text;
}

const struct wf_wait_ops wf_subscription_ops = { .kind = "a message of a broadcast",
                                                 .abort = abort_receive,
                                                 .take = take_receive,
                                                 .join = join_receive,
                                                 .describe = describe_receive };

/* Calls. */

int weft_broadcast_send(weft_broadcast *broadcast, const void *item)
{
    weft_task *task;
    int err = wf_enter(&task);
    return err < 0 ? err
                   : (int)wf_object_wait(&send_ops, inside(broadcast), (void *)(uintptr_t)item);
}

int weft_broadcast_try_send(weft_broadcast *broadcast, const void *item)
{
    int64_t result;
    return try_send(inside(broadcast), item, &result) ? (int)result : -EAGAIN;
}

ssize_t weft_subscription_receive(weft_subscription *subscription, void *item)
{
    weft_task *task;
    int err = wf_enter(&task);
    return err < 0 ? err
                   : (ssize_t)wf_object_wait(&wf_subscription_ops,
                                             inside_subscription(subscription), item);
}

ssize_t weft_subscription_try_receive(weft_subscription *subscription, void *item)
{
    int64_t result;
    return try_receive(inside_subscription(subscription), item, &result) ? (ssize_t)result
                                                                         : -EAGAIN;
}

void weft_broadcast_get_stats(const weft_broadcast *opaque, weft_broadcast_stats *stats)
{
    const struct broadcast *broadcast = inside(opaque);
    wf_line_tell(&broadcast->senders, &stats->senders);
    stats->sent = broadcast->head;
    stats->missed = broadcast->missed;
    stats->subscriptions = broadcast->count;
    stats->receivers = broadcast->waiting_count;
    stats->kept = (size_t)(broadcast->head - broadcast->tail);
    stats->capacity = broadcast->capacity;
}

static size_t ready_for(const struct subscription *s)
{
    const struct broadcast *broadcast = s->broadcast;
    uint64_t next = s->next;
    if (!broadcast)
        return 0;
    return (size_t)(broadcast->head - (next > broadcast->tail ? next : broadcast->tail));
}

void weft_subscription_get_stats(const weft_subscription *opaque, weft_subscription_stats *stats)
{
    const struct subscription *s = inside_subscription(opaque);
    wf_line_tell(&s->receivers, &stats->receivers);
    stats->received = s->received;
    stats->missed = s->missed;
    stats->count = ready_for(s);
}
