/* The inbox and the flag "asleep", notices, and a loop that spins before it sleeps. */

#include "shim.h"

#include "interleave.h"

#include "core/loop.h"
#include "core/post.h"

#define MAILS 2 /* of each of two senders */

struct letter {
    struct wf_mail mail;
    int sender, number;
};

static struct wf_inbox *inbox;
static struct letter letters[2][MAILS];
static int last[2], received, sleeps;

static void receive(struct wf_mail *mail, bool closed)
{
    struct letter *letter = wf_container(mail, struct letter, mail);
    il_require(!closed);
    il_require(letter->number == last[letter->sender] + 1); /* in order, none lost or doubled */
    last[letter->sender] = letter->number;
    received++;
}

static void begin_inbox(void)
{
    if (!inbox)
        il_require(wf_inbox_new(&inbox) == 0);
    inbox->head = NULL;
    inbox->asleep = false;
    inbox->wakes = 0;
    received = sleeps = 0;
    for (int s = 0; s < 2; s++) {
        last[s] = 0;
        for (int i = 0; i < MAILS; i++)
            letters[s][i] = (struct letter){ { NULL, receive }, s, i + 1 };
    }
}

static void end_inbox(void)
{
    il_require(received == 2 * MAILS);
    il_require(wf_inbox_is_empty(inbox));
    il_require(inbox->wakes <= (unsigned long)sleeps); /* one system call for falling asleep */
}

static void send_all(int sender)
{
    for (int i = 0; i < MAILS; i++)
        il_require(wf_inbox_push(inbox, &letters[sender][i].mail) == 0);
}

static void send_first(void)
{
    send_all(0);
}

static void send_second(void)
{
    send_all(1);
}

static void deliver_all(void)
{
    struct wf_mail *next;
    for (struct wf_mail *mail = wf_inbox_take(inbox); mail; mail = next) {
        next = mail->next;
        mail->deliver(mail, false);
    }
}

/* As the driver does. */
static void sleep_once(struct wf_inbox *in)
{
    sleeps++;
    if (!wf_inbox_fall_asleep(in))
        return;
    il_sleep_on(in->event_fd);
    wf_inbox_wake_up(in);
}

static void loop_sleeps(void)
{
    while (received < 2 * MAILS) {
        sleep_once(inbox);
        deliver_all();
    }
}

/* Two looks and then a sleep. */
static void loop_spins(void)
{
    while (received < 2 * MAILS) {
        if (wf_inbox_is_empty(inbox) && wf_inbox_is_empty(inbox))
            sleep_once(inbox);
        deliver_all();
    }
}

/* A loop that closes while others send: each letter is delivered, left over or refused. */

static int refused;

static void begin_close(void)
{
    begin_inbox();
    refused = 0;
}

static void send_or_keep(int sender)
{
    for (int i = 0; i < MAILS; i++)
        refused += wf_inbox_push(inbox, &letters[sender][i].mail) < 0;
}

static void send_first_or_keep(void)
{
    send_or_keep(0);
}

static void send_second_or_keep(void)
{
    send_or_keep(1);
}

static void loop_closes(void)
{
    struct wf_mail *next;
    deliver_all();
    for (struct wf_mail *mail = wf_inbox_close(inbox); mail; mail = next) {
        next = mail->next;
        mail->deliver(mail, false);
    }
}

static void end_close(void)
{
    il_require(received + refused == 2 * MAILS);
}

/* A notice: each post is followed by a call that begins after it. */

static weft_loop *loop;
static struct weft_notice notice;
static int posted[2], seen[2], posters_done;

static void look(void *arg)
{
    (void)arg;
    seen[0] = posted[0];
    seen[1] = posted[1];
}

static void begin_notice(void)
{
    if (!loop)
        il_require(weft_loop_new(&loop, .clock = WEFT_CLOCK_TEST) == 0);
    posted[0] = posted[1] = seen[0] = seen[1] = posters_done = 0;
    loop->inbox->asleep = false;
    weft_notice_init(&notice, loop, look, NULL);
    il_runs(2, loop);
}

static void end_notice(void)
{
    il_require(seen[0] == 2 && seen[1] == 2);
    weft_notice_fini(&notice);
}

static void post_twice(int poster)
{
    for (int i = 0; i < 2; i++) {
        posted[poster]++;
        il_require(weft_signal_post(&notice) == 0);
    }
    posters_done++;
}

static void post_first(void)
{
    post_twice(0);
}

static void post_second(void)
{
    post_twice(1);
}

static void run_ready(void)
{
    while (loop->ready.head) {
        struct wf_ready *item = wf_ready_pop(&loop->ready);
        item->run(item, false);
    }
}

static void loop_calls(void)
{
    while (posters_done < 2 || !wf_inbox_is_empty(loop->inbox) || seen[0] < 2 || seen[1] < 2) {
        sleep_once(loop->inbox);
        wf_loop_deliver_mail(loop);
        run_ready();
    }
}

int main(int argc, char **argv)
{
    static const struct il_program programs[] = {
        { "asleep", begin_inbox, end_inbox, 3, { send_first, send_second, loop_sleeps } },
        { "spins", begin_inbox, end_inbox, 3, { send_first, send_second, loop_spins } },
        { "closes",
          begin_close,
          end_close,
          3,
          { send_first_or_keep, send_second_or_keep, loop_closes } },
        { "notice", begin_notice, end_notice, 3, { post_first, post_second, loop_calls } },
    };
    return il_main(argc, argv, programs, sizeof programs / sizeof programs[0]);
}
