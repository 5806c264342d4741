/* Mailboxes: a ring that any thread pushes on, a bell that tells the loop, and senders that wait.
 *
 *      sender ── push ──> ring ──────────────> receiver           nobody waits: no message at all
 *         └── turn's end: ring the bell ─────> serve()            receivers wait: one for each turn
 *         └── full: offer ── ask ────────────> senders, a FIFO
 *                          <── answer ──────── settle(): its item is in the ring, or closed
 *
 * The ring (base/ring.h) decides what is in and in which order, and whether it is closed. The bell
 * (io/doorbell.h) is rung only for receivers that wait: by the tasks of a loop once, when their
 * turn is over, for all they have sent in it; by plain threads at once. Its message is one node
 * inside the mailbox.
 *
 * A sender that finds no room makes an offer: a block on the heap with a copy of the item, which
 * travels to the receiving loop and queues there. Whoever moves its state decides:
 *
 *      WAITING ──settle(), the receiving loop──> TAKEN      its item is in the ring
 *         ├──────close, likewise───────────────> REFUSED    both are answered
 *         └──────cancel, the sender────────────> GIVEN_UP   it has left, with no round trip
 *
 * so a granted offer is never turned into a cancel. While offers wait, `waiting` sends newcomers to
 * the same queue: nobody overtakes. settle() runs once a turn, for all the room that its receivers
 * have made. It first sees a free place, then takes the offer, then pushes; a sender that has
 * passed `waiting` in between may have used that place, so the ring has one more than its capacity.
 *
 * Lives: handles are counted; the mailbox itself has two references, the handles' and its loop's.
 * The last handle travels to the loop as the message `last`, behind every other one, because
 * everything that sends holds a handle; there the mailbox is buried. When the loop ends first, its
 * end hook buries it. */

#include "core/mailbox.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/ring.h"
#include "core/loop.h"
#include "io/doorbell.h"
#include "io/gate.h"

#include <string.h>
#include <threads.h>
#include <weft/error.h>
#include <weft/mailbox.h>

struct weft_mailbox {
    struct wf_inbox *inbox; /* a reference */
    uint64_t thread;        /* the receiving loop's */
    weft_drop_fn *drop;
    atomic_int references; /* the handles' and the loop's */
    struct wf_mail last;   /* carries the handles' */

    char apart[64];
    atomic_long handles;
    atomic_uint waiting; /* offers that were not decided */

    char apart_too[64];
    struct wf_doorbell bell;
    _Atomic uint64_t messages;

    struct wf_ring ring;

    /* The receiving thread's. */
    weft_loop *loop;          /* NULL: buried */
    struct wf_list receivers; /* struct receiver */
    struct wf_list senders;   /* struct offer */
    struct wf_turn_hook settles;
    struct wf_end_hook ends;
    _Atomic size_t longest;
};

/* A task that waits for items. */
struct receiver {
    struct wf_waiter waiter;
    void *items;
    size_t count;
};

enum offer_state { WAITING, TAKEN, REFUSED, GIVEN_UP };

struct offer {
    atomic_int references; /* the sender's, and the receiving loop's or a message's */
    atomic_uchar state;    /* enum offer_state */
    bool has_gate;
    weft_mailbox *box; /* only the receiving thread may use it */
    struct wf_mail ask, withdraw, answer;

    /* The receiving thread's. */
    struct wf_list link; /* in box->senders; to itself: not there */
    int result;          /* read by the sender after the answer */

    /* The sender's. */
    struct wf_inbox *home; /* a reference; NULL: a plain thread */
    weft_loop *loop;
    struct wf_waiter *waiter; /* NULL: it has left */
    struct wf_gate gate;

    _Alignas(max_align_t) char item[];
};

/* What a loop's tasks have sent to in this turn. */
#define OUTBOX_MAX 16

struct wf_outbox {
    struct wf_turn_hook hook;
    struct wf_end_hook ends;
    weft_loop *loop;
    unsigned count;
    weft_mailbox *boxes[OUTBOX_MAX]; /* handles */
};

static bool is_ours(const weft_mailbox *box)
{
    return box->thread == wf_this_thread() && box->loop && box->loop == wf_running;
}

static void unref(weft_mailbox *box)
{
    if (atomic_fetch_sub_explicit(&box->references, 1, memory_order_acq_rel) > 1)
        return;
    wf_inbox_release(box->inbox);
    wf_ring_fini(&box->ring);
    wf_free(box);
}

static void ring_bell(weft_mailbox *box)
{
    if (wf_doorbell_ring(&box->bell))
        atomic_fetch_add_explicit(&box->messages, 1, memory_order_relaxed);
}

/* Offers. */

static void offer_unref(struct offer *offer)
{
    if (atomic_fetch_sub_explicit(&offer->references, 1, memory_order_acq_rel) > 1)
        return;
    wf_inbox_release(offer->home);
    if (offer->has_gate)
        wf_gate_fini(&offer->gate);
    wf_free(offer);
}

static bool decide(struct offer *offer, enum offer_state state)
{
    unsigned char waiting = WAITING;
    return atomic_compare_exchange_strong(&offer->state, &waiting, (unsigned char)state);
}

/* The receiving loop's reference goes to the answer. */
static void answer(struct offer *offer, int result)
{
    offer->result = result;
    if (offer->home) {
        if (wf_inbox_push_away(offer->home, &offer->answer) < 0)
            offer_unref(offer);
    } else {
        wf_gate_pass(&offer->gate);
        offer_unref(offer);
    }
}

static void refuse_offer(struct offer *offer)
{
    if (decide(offer, REFUSED))
        answer(offer, WEFT_ECLOSED);
    else
        offer_unref(offer);
}

static struct offer *first_offer(weft_mailbox *box)
{
    struct wf_list *link = wf_list_first(&box->senders);
    return link ? wf_container(link, struct offer, link) : NULL;
}

static void take_out(weft_mailbox *box, struct offer *offer)
{
    wf_list_remove_init(&offer->link);
    atomic_fetch_sub(&box->waiting, 1);
}

/* There is room for its item. */
static void accept_offer(weft_mailbox *box, struct offer *offer)
{
    if (!decide(offer, TAKEN)) {
        offer_unref(offer);
        return;
    }
    enum wf_ring_answer pushed = wf_ring_push_over(&box->ring, offer->item);
    wf_assert(pushed != WF_RING_FULL);
    answer(offer, pushed == WF_RING_CLOSED ? WEFT_ECLOSED : 0);
}

/* True: items have come in. */
static bool settle(weft_mailbox *box)
{
    struct offer *offer;
    bool moved = false;
    while ((offer = first_offer(box))) {
        bool closed = wf_ring_is_closed(&box->ring);
        if (!closed && wf_ring_count(&box->ring) >= box->ring.capacity)
            return moved;
        take_out(box, offer);
        if (closed)
            refuse_offer(offer);
        else
            accept_offer(box, offer);
        moved |= !closed;
    }
    return moved;
}

/* Receiving. */

static size_t take(weft_mailbox *box, void *items, size_t count)
{
    size_t found = wf_ring_count(&box->ring);
    if (found > atomic_load_explicit(&box->longest, memory_order_relaxed))
        atomic_store_explicit(&box->longest, found, memory_order_relaxed);
    size_t taken = wf_ring_take(&box->ring, items, count);
    if (taken > 0 && atomic_load_explicit(&box->waiting, memory_order_relaxed) > 0)
        wf_turn_hook_arm(box->loop, &box->settles);
    return taken;
}

/* Closed, and nothing is in it, nor on its way in. */
static bool is_over(const weft_mailbox *box)
{
    return wf_ring_is_closed(&box->ring) && wf_ring_count(&box->ring) == 0;
}

static struct wf_waiter *first_receiver(weft_mailbox *box)
{
    struct wf_list *link = wf_list_first(&box->receivers);
    return link ? wf_container(link, struct wf_waiter, link) : NULL;
}

/* Into the frame of a task, or to who waits for other things too and wants one. */
static size_t take_for(weft_mailbox *box, struct wf_waiter *w)
{
    struct receiver *r = wf_container(w, struct receiver, waiter);
    return w->ops == &wf_mailbox_receive_ops ? take(box, w->item, 1)
                                             : take(box, r->items, r->count);
}

/* True: nobody waits any more, or nothing is there. */
static bool hand_out(weft_mailbox *box)
{
    struct wf_waiter *w;
    while ((w = first_receiver(box))) {
        size_t taken = take_for(box, w);
        if (taken == 0 && !is_over(box))
            return false;
        wf_list_remove(&w->link);
        int64_t result = w->ops == &wf_mailbox_receive_ops ? 0 : (int64_t)taken;
        wf_wake(w, taken > 0 ? result : WEFT_ECLOSED);
    }
    return true;
}

/* What is there goes to who waits; who still waits then wants the bell, and looks once more. */
static void serve(weft_mailbox *box)
{
    if (hand_out(box))
        return;
    wf_doorbell_want(&box->bell);
    hand_out(box);
}

/* Both sides, until neither can go on. */
static void work(weft_mailbox *box)
{
    serve(box);
    while (settle(box) && !wf_list_is_empty(&box->receivers))
        serve(box);
}

static void deliver_bell(struct wf_mail *mail, bool closed)
{
    weft_mailbox *box = wf_container(mail, weft_mailbox, bell.mail);
    wf_doorbell_answer(&box->bell);
    if (closed)
        return; /* the end hook sees to everything */
    work(box);
}

static void settle_in_turn(struct wf_turn_hook *hook)
{
    work(wf_container(hook, weft_mailbox, settles));
}

static bool receive_abort(struct wf_waiter *w)
{
    wf_list_remove(&w->link);
    return true;
}

static const struct wf_wait_ops receive_ops = { .kind = "an item in its mailbox",
                                                .abort = receive_abort };

static int check_receiver(const weft_mailbox *box)
{
    return is_ours(box) ? 0
                        : wf_misuse(WEFT_ETHREAD, "a mailbox was received from in another loop "
                                                  "than its own");
}

/* How many, or WEFT_ECLOSED; 0: it would have to wait. */
static ssize_t receive_now(weft_mailbox *box, void *items, size_t count)
{
    if (!wf_list_is_empty(&box->receivers))
        return 0;
    size_t taken = take(box, items, count);
    if (taken > 0)
        return (ssize_t)taken;
    return is_over(box) ? WEFT_ECLOSED : 0;
}

ssize_t weft_mailbox_receive_many(weft_mailbox *box, void *items, size_t count)
{
    weft_task *task;
    int err = wf_enter(&task);
    if (err == 0)
        err = check_receiver(box);
    if (err < 0)
        return err;
    if (count == 0)
        return wf_misuse(-EINVAL, "no item at all was to be received from a mailbox");
    ssize_t taken = receive_now(box, items, count);
    if (taken != 0)
        return taken;
    struct receiver r = { .items = items, .count = count };
    wf_waiter_arm(&r.waiter, &receive_ops, box);
    wf_list_push_back(&box->receivers, &r.waiter.link);
    serve(box);
    return (ssize_t)wf_park(&r.waiter);
}

int weft_mailbox_receive(weft_mailbox *box, void *item)
{
    ssize_t taken = weft_mailbox_receive_many(box, item, 1);
    return taken < 0 ? (int)taken : 0;
}

int weft_mailbox_try_receive(weft_mailbox *box, void *item)
{
    int err = check_receiver(box);
    if (err < 0)
        return err;
    ssize_t taken = receive_now(box, item, 1);
    if (taken < 0)
        return (int)taken;
    return taken == 1 ? 0 : -EAGAIN;
}

static bool is_received(struct wf_waiter *w, int64_t *result)
{
    weft_mailbox *box = w->object;
    *result = check_receiver(box);
    if (*result < 0)
        return true;
    ssize_t taken = receive_now(box, w->item, 1);
    *result = taken < 0 ? taken : 0;
    return taken != 0;
}

static void join_receivers(struct wf_waiter *w)
{
    weft_mailbox *box = w->object;
    wf_list_push_back(&box->receivers, &w->link);
    serve(box);
}

const struct wf_wait_ops wf_mailbox_receive_ops = { .kind = "an item in its mailbox",
                                                    .abort = receive_abort,
                                                    .take = is_received,
                                                    .join = join_receivers };

/* Sending. */

static void flush(struct wf_outbox *outbox)
{
    for (unsigned i = 0; i < outbox->count; i++) {
        ring_bell(outbox->boxes[i]);
        weft_mailbox_release(outbox->boxes[i]);
    }
    outbox->count = 0;
}

static void flush_in_turn(struct wf_turn_hook *hook)
{
    flush(wf_container(hook, struct wf_outbox, hook));
}

static void outbox_ends(struct wf_end_hook *hook, bool refused)
{
    struct wf_outbox *outbox = wf_container(hook, struct wf_outbox, ends);
    flush(outbox);
    if (!refused)
        return;
    wf_list_remove_init(&outbox->hook.link);
    outbox->loop->outbox = NULL;
    wf_free(outbox);
}

/* The running loop's; NULL: there is none, or no memory for it. */
static struct wf_outbox *outbox_of(weft_loop *loop)
{
    if (!loop || loop->closed || loop->outbox)
        return loop && !loop->closed ? loop->outbox : NULL;
    struct wf_outbox *outbox = wf_alloc(sizeof *outbox);
    if (!outbox)
        return NULL;
    wf_list_init(&outbox->hook.link);
    outbox->hook.run = flush_in_turn;
    outbox->ends.run = outbox_ends;
    outbox->loop = loop;
    outbox->count = 0;
    wf_list_push_back(&loop->end_hooks, &outbox->ends.link);
    loop->outbox = outbox;
    return outbox;
}

/* An item is in the ring: have the bell rung when the turn is over. */
static void note_sent(weft_mailbox *box)
{
    struct wf_outbox *outbox = outbox_of(wf_running);
    if (!outbox) {
        ring_bell(box);
        return;
    }
    for (unsigned i = outbox->count; i-- > 0;)
        if (outbox->boxes[i] == box)
            return;
    if (outbox->count == OUTBOX_MAX)
        flush(outbox);
    outbox->boxes[outbox->count++] = weft_mailbox_retain(box);
    wf_turn_hook_arm(outbox->loop, &outbox->hook);
}

static int send_now(weft_mailbox *box, const void *item)
{
    if (atomic_load(&box->waiting) > 0)
        return wf_ring_is_closed(&box->ring) ? WEFT_ECLOSED : -EAGAIN;
    switch (wf_ring_push(&box->ring, item)) {
    case WF_RING_FULL:
        return -EAGAIN;
    case WF_RING_CLOSED:
        return WEFT_ECLOSED;
    case WF_RING_PUSHED:
        break;
    }
    if (is_ours(box))
        serve(box);
    else
        note_sent(box);
    return 0;
}

int weft_mailbox_try_send(weft_mailbox *box, const void *item)
{
    return send_now(box, item);
}

static void deliver_ask(struct wf_mail *mail, bool closed)
{
    struct offer *offer = wf_container(mail, struct offer, ask);
    weft_mailbox *box = offer->box;
    if (closed) {
        atomic_fetch_sub(&box->waiting, 1);
        refuse_offer(offer);
        return;
    }
    wf_list_push_back(&box->senders, &offer->link);
    work(box);
}

/* What was given up leaves its place in the queue. */
static void deliver_withdraw(struct wf_mail *mail, bool closed)
{
    struct offer *offer = wf_container(mail, struct offer, withdraw);
    (void)closed;
    if (!wf_list_is_empty(&offer->link)) {
        take_out(offer->box, offer);
        offer_unref(offer);
    }
    offer_unref(offer);
}

static void deliver_answer(struct wf_mail *mail, bool closed)
{
    struct offer *offer = wf_container(mail, struct offer, answer);
    struct wf_waiter *w = offer->waiter;
    offer->loop->foreign--;
    if (w && !closed)
        wf_wake(w, offer->result);
    offer_unref(offer);
}

static bool give_up(struct offer *offer)
{
    if (!decide(offer, GIVEN_UP))
        return false;
    atomic_fetch_add_explicit(&offer->references, 1, memory_order_relaxed);
    if (wf_inbox_push(offer->box->inbox, &offer->withdraw) < 0)
        offer_unref(offer);
    return true;
}

static bool send_abort(struct wf_waiter *w)
{
    struct offer *offer = w->object;
    if (!give_up(offer))
        return false;
    offer->waiter = NULL;
    offer->loop->foreign--;
    return true;
}

static const struct wf_wait_ops send_ops = { .kind = "room in a mailbox", .abort = send_abort };

static struct offer *make_offer(weft_mailbox *box, const void *item)
{
    struct offer *offer = wf_alloc_zero(sizeof *offer + box->ring.item_size);
    if (!offer) {
        wf_fail(-ENOMEM, "no memory to wait for room in a mailbox");
        return NULL;
    }
    atomic_init(&offer->references, 2);
    atomic_init(&offer->state, WAITING);
    offer->box = box;
    offer->ask.deliver = deliver_ask;
    offer->withdraw.deliver = deliver_withdraw;
    offer->answer.deliver = deliver_answer;
    wf_list_init(&offer->link);
    memcpy(offer->item, item, box->ring.item_size);
    return offer;
}

/* WEFT_ECLOSED: the loop has ended; only our own reference is left. */
static int send_offer(weft_mailbox *box, struct offer *offer)
{
    atomic_fetch_add(&box->waiting, 1);
    if (wf_inbox_push(box->inbox, &offer->ask) == 0)
        return 0;
    atomic_fetch_sub(&box->waiting, 1);
    offer_unref(offer);
    return WEFT_ECLOSED;
}

static int wait_to_send(weft_task *task, weft_mailbox *box, const void *item)
{
    struct wf_waiter w;
    struct offer *offer = make_offer(box, item);
    if (!offer)
        return -ENOMEM;
    weft_loop *loop = task->future.loop;
    wf_waiter_arm(&w, &send_ops, offer);
    offer->home = wf_inbox_retain(loop->inbox);
    offer->loop = loop;
    offer->waiter = &w;
    loop->foreign++;
    int err = send_offer(box, offer);
    if (err == 0)
        err = (int)wf_park(&w);
    else
        loop->foreign--;
    offer_unref(offer);
    return err;
}

int weft_mailbox_send(weft_mailbox *box, const void *item)
{
    weft_task *task;
    int err = wf_enter(&task);
    if (err < 0)
        return err;
    err = send_now(box, item);
    return err == -EAGAIN ? wait_to_send(task, box, item) : err;
}

static int wait_at_gate(weft_mailbox *box, const void *item, int64_t timeout)
{
    struct offer *offer = make_offer(box, item);
    if (!offer)
        return -ENOMEM;
    offer->has_gate = true;
    wf_gate_init(&offer->gate);
    int err = send_offer(box, offer);
    if (err == 0 && !wf_gate_wait(&offer->gate, 1, timeout) && give_up(offer))
        err = -ETIMEDOUT;
    if (err == 0) {
        wf_gate_wait(&offer->gate, 1, WEFT_FOREVER);
        err = offer->result;
    }
    offer_unref(offer);
    return err;
}

int weft_mailbox_send_wait(weft_mailbox *box, const void *item, int64_t timeout)
{
    if (wf_running)
        return wf_misuse(-EDEADLK, "weft_mailbox_send_wait() in a thread whose loop runs: a task "
                                   "calls weft_mailbox_send()");
    int err = send_now(box, item);
    return err == -EAGAIN ? wait_at_gate(box, item, timeout) : err;
}

/* The end. */

void weft_mailbox_close(weft_mailbox *box)
{
    if (!box)
        return;
    wf_ring_close(&box->ring);
    if (wf_doorbell_summon(&box->bell))
        atomic_fetch_add_explicit(&box->messages, 1, memory_order_relaxed);
}

/* Who has claimed a place before the close is about to fill it. A drop is users' code, and may
 * receive: its own item is out already. */
static void drop_items(weft_mailbox *box)
{
    while (wf_ring_count(&box->ring) > 0) {
        void *item = wf_ring_first(&box->ring);
        if (!item) {
            thrd_yield();
            continue;
        }
        wf_ring_pass(&box->ring); /* closed: nobody fills its slot again */
        if (box->drop)
            wf_drop(wf_running, box->drop, item);
    }
}

/* On its loop's thread, once: nothing more can come. */
static void bury(weft_mailbox *box)
{
    struct offer *offer;
    wf_ring_close(&box->ring);
    hand_out(box);
    while ((offer = first_offer(box))) {
        take_out(box, offer);
        refuse_offer(offer);
    }
    drop_items(box);
    wf_list_remove_init(&box->settles.link);
    box->loop = NULL;
    unref(box);
}

static void loop_ends(struct wf_end_hook *hook, bool refused)
{
    weft_mailbox *box = wf_container(hook, weft_mailbox, ends);
    if (refused)
        bury(box);
}

/* Whether a mailbox of the loop has handles that somebody else may hold, and send by. */
static bool may_bring(const weft_loop *loop)
{
    WF_LIST_EACH(link, &loop->end_hooks) {
        struct wf_end_hook *hook = wf_container(link, struct wf_end_hook, link);
        if (hook->run != loop_ends)
            continue;
        weft_mailbox *box = wf_container(hook, weft_mailbox, ends);
        if (atomic_load_explicit(&box->handles, memory_order_relaxed) > 1)
            return true;
    }
    return false;
}

static void deliver_last(struct wf_mail *mail, bool closed)
{
    weft_mailbox *box = wf_container(mail, weft_mailbox, last);
    if (!closed && box->loop) {
        wf_list_remove(&box->ends.link);
        bury(box);
    }
    unref(box);
}

weft_mailbox *weft_mailbox_retain(weft_mailbox *box)
{
    if (box)
        atomic_fetch_add_explicit(&box->handles, 1, memory_order_relaxed);
    return box;
}

void weft_mailbox_release(weft_mailbox *box)
{
    if (!box || atomic_fetch_sub_explicit(&box->handles, 1, memory_order_acq_rel) > 1)
        return;
    if (wf_inbox_push_away(box->inbox, &box->last) < 0)
        unref(box);
}

/* Birth. */

static int check_options(const struct weft_mailbox_options *options)
{
    if (!weft_loop_current() || weft_loop_current()->closed)
        return wf_misuse(-EPERM, "a mailbox was made where there is no loop, at %s",
                         wf_site(options->site));
    if (options->item_size == 0 || options->capacity == 0 ||
        options->capacity > WF_RING_CAPACITY_MAX)
        return wf_misuse(-EINVAL, "a mailbox for %zu items of %zu bytes, at %s", options->capacity,
                         options->item_size, wf_site(options->site));
    return 0;
}

static void open_box(weft_mailbox *box, weft_loop *loop)
{
    box->inbox = wf_inbox_retain(loop->inbox);
    box->thread = loop->thread;
    atomic_init(&box->references, 2);
    atomic_init(&box->handles, 1);
    atomic_init(&box->waiting, 0);
    atomic_init(&box->messages, 0);
    atomic_init(&box->longest, 0);
    box->last.deliver = deliver_last;
    wf_doorbell_init(&box->bell, box->inbox, deliver_bell);
    box->loop = loop;
    wf_list_init(&box->receivers);
    wf_list_init(&box->senders);
    wf_list_init(&box->settles.link);
    box->settles.run = settle_in_turn;
    box->ends.run = loop_ends;
    wf_list_push_back(&loop->end_hooks, &box->ends.link);
    loop->mailbox_may_bring = may_bring;
}

int weft_mailbox_new_with(const struct weft_mailbox_options *given)
{
    struct weft_mailbox_options options = { 0 };
    size_t size = given->size && given->size < sizeof options ? given->size : sizeof options;
    memcpy(&options, given, size);
    int err = check_options(&options);
    if (err < 0)
        return err;
    weft_mailbox *box = wf_alloc_zero(sizeof *box);
    if (box && wf_ring_init(&box->ring, options.item_size, options.capacity) < 0) {
        wf_free(box);
        box = NULL;
    }
    if (!box)
        return wf_fail(-ENOMEM, "no memory for a mailbox of %zu items", options.capacity);
    box->drop = options.drop;
    open_box(box, weft_loop_current());
    *options.box = box;
    return 0;
}

void weft_mailbox_get_stats(const weft_mailbox *box, weft_mailbox_stats *stats)
{
    uint64_t received = atomic_load(&box->ring.head), sent = atomic_load(&box->ring.tail) >> 1;
    *stats = (weft_mailbox_stats){
        .capacity = (size_t)box->ring.capacity,
        .count = (size_t)(sent - received),
        .senders = atomic_load(&box->waiting),
        .most = atomic_load_explicit(&box->longest, memory_order_relaxed),
        .sent = sent,
        .received = received,
        .messages = atomic_load_explicit(&box->messages, memory_order_relaxed),
    };
}
