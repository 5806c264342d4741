/* Mailboxes: the ring, the bell, offers and the end, as core/mailbox.c puts them together. Two
 * plain threads send; the third is the loop, with a receiver that waits as a task does. */

#include "shim.h"

#include "interleave.h"

#ifndef IL_SOURCE
#    define IL_SOURCE "core/mailbox.c"
#endif
#include IL_SOURCE

static weft_loop *loop;
static weft_mailbox *box;
static bool is_sent[2][3];                         /* by a sender: its n-th item */
static int last[2], received, sent, dropped, over; /* senders that have ended */
static int items_each;
static size_t capacity;
static int64_t patience[2];

/* Items are 1, 2 of the first sender and 11, 12 of the second one. */
static void check_item(int item)
{
    int sender = item / 10, number = item % 10;
    il_require(number > last[sender] && number <= items_each);
    last[sender] = number;
}

static void drop(void *item)
{
    check_item(*(int *)item);
    dropped++;
}

static void open(int each, size_t room, int64_t first, int64_t second)
{
    if (!loop)
        il_require(weft_loop_new(&loop, .clock = WEFT_CLOCK_TEST) == 0);
    loop->inbox->asleep = false;
    il_require(weft_mailbox_new(&box, sizeof(int), room, .drop = drop) == 0);
    items_each = each;
    capacity = room;
    patience[0] = first;
    patience[1] = second;
    received = sent = dropped = over = last[0] = last[1] = 0;
    memset(is_sent, 0, sizeof is_sent);
    il_runs(2, loop);
}

static void send_items(int sender)
{
    for (int i = 1; i <= items_each; i++) {
        int item = sender * 10 + i;
        int err = weft_mailbox_send_wait(box, &item, patience[sender]);
        il_require(err == 0 || err == WEFT_ECLOSED || (err == -ETIMEDOUT && !patience[sender]));
        sent += err == 0;
    }
    over++;
}

static void send_first(void)
{
    send_items(0);
}

static void send_second(void)
{
    send_items(1);
}

/* The loop's thread. */

static struct receiver receiver;
static int into;
static bool waits;

static void woken(struct wf_waiter *w)
{
    waits = false;
    if (w->result < 0)
        return;
    check_item(into);
    received++;
}

static void wait_for_item(void)
{
    receiver = (struct receiver){ .items = &into, .count = 1 };
    receiver.waiter = (struct wf_waiter){ .ops = &receive_ops, .wake = woken, .object = box };
    waits = true;
    wf_list_push_back(&box->receivers, &receiver.waiter.link);
    serve(box);
}

static void run_hooks(void)
{
    struct wf_list *link;
    while ((link = wf_list_pop_front(&loop->turn_hooks))) {
        struct wf_turn_hook *hook = wf_container(link, struct wf_turn_hook, link);
        hook->run(hook);
    }
}

/* One turn; it may sleep where the receiver waits. */
static void turn(bool may_sleep)
{
    wf_loop_deliver_mail(loop);
    run_hooks();
    if (!may_sleep || !waits || !wf_inbox_fall_asleep(loop->inbox))
        return;
    il_sleep_on(loop->inbox->event_fd);
    wf_inbox_wake_up(loop->inbox);
}

static void receive_all(void)
{
    while (received < 2 * items_each) {
        if (!waits)
            wait_for_item();
        turn(true);
    }
}

static bool has_news(void *arg)
{
    (void)arg;
    return over == 2 || *(struct wf_mail **)&loop->inbox->head;
}

/* Turn on, also for mail only, until both senders have ended. */
static void turn_until_over(void)
{
    while (over < 2) {
        turn(false);
        il_wait_until(has_news, NULL);
    }
    turn(false);
}

/* Some give up: receive until all have ended, and what is left then. */
static void receive_until_over(void)
{
    int item;
    while (over < 2) {
        if (!waits)
            wait_for_item();
        turn(false);
        if (waits)
            il_wait_until(has_news, NULL);
    }
    turn(false);
    if (waits)
        receive_abort(&receiver.waiter);
    waits = false;
    while (weft_mailbox_try_receive(box, &item) == 0) {
        check_item(item);
        received++;
    }
    turn(false);
}

/* The end of a run: everything is given back. */
static void end_box(void)
{
    il_require(sent == received);
    il_require(atomic_load(&box->waiting) == 0);
    wf_running = loop;
    weft_mailbox_release(box);
    turn(false);
    wf_running = NULL;
    il_require(wf_list_is_empty(&loop->end_hooks));
    il_require(dropped == 0);
}

static void end_all(void)
{
    il_require(received == 2 * items_each);
    end_box();
}

static void begin_roomy(void)
{
    open(2, 4, WEFT_FOREVER, WEFT_FOREVER);
}

static void begin_tight(void)
{
    open(2, 1, WEFT_FOREVER, WEFT_FOREVER);
}

static void begin_impatient(void)
{
    open(2, 1, WEFT_FOREVER, 0);
}

/* Closed by a sender, while another one sends and the receiver waits. */

static void begin_close(void)
{
    open(2, 1, WEFT_FOREVER, WEFT_FOREVER);
}

static void close_it(void)
{
    weft_mailbox_close(box);
    over++;
}

static void receive_until_closed(void)
{
    while (!is_over(box) || waits) {
        if (!waits)
            wait_for_item();
        turn(true);
    }
    turn_until_over(); /* offers that are still on their way get their answer */
}

/* The last handles go while the loop looks for mail; what was sent is dropped, once. */

static void begin_release(void)
{
    open(1, 2, WEFT_FOREVER, WEFT_FOREVER);
    weft_mailbox_retain(box);
}

static void send_and_release(int sender)
{
    int item = sender * 10 + 1;
    weft_mailbox *mine = box;
    il_require(weft_mailbox_try_send(mine, &item) == 0);
    sent++;
    weft_mailbox_release(mine);
    over++;
}

static void first_releases(void)
{
    send_and_release(0);
}

static void second_releases(void)
{
    send_and_release(1);
}

static void loop_looks(void)
{
    turn_until_over();
}

static void end_release(void)
{
    il_require(dropped == 2 && sent == 2);
    il_require(wf_list_is_empty(&loop->end_hooks));
}

int main(int argc, char **argv)
{
    static const struct il_program programs[] = {
        { "roomy", begin_roomy, end_all, 3, { send_first, send_second, receive_all } },
        { "tight", begin_tight, end_all, 3, { send_first, send_second, receive_all } },
        { "impatient",
          begin_impatient,
          end_box,
          3,
          { send_first, send_second, receive_until_over } },
        { "closes", begin_close, end_box, 3, { send_first, close_it, receive_until_closed } },
        { "release",
          begin_release,
          end_release,
          3,
          { first_releases, second_releases, loop_looks } },
    };
    return il_main(argc, argv, programs, sizeof programs / sizeof programs[0]);
}
