/* An actor: a task that alone knows an account, and a channel as its mailbox. Who asks sends a
 * request with a future for the reply, and goes on when it is there. Nothing is locked. */

#include <errno.h>
#include <stdio.h>
#include <weft.h>

struct request {
    int amount;
    weft_future *reply;
};

static int keep_account(void *arg)
{
    weft_channel *mailbox = arg;
    struct request request;
    int balance = 0, err;

    while ((err = weft_channel_receive(mailbox, &request)) >= 0) {
        if (balance + request.amount >= 0) {
            balance += request.amount;
            weft_future_set(request.reply, NULL);
        } else {
            weft_future_fail(request.reply, -ERANGE, NULL); /* not enough on the account */
        }
        weft_future_release(request.reply);
    }
    printf("closed with %d\n", balance);
    return err == WEFT_ECLOSED ? 0 : err;
}

/* The actor has ended, or never begun: who still waits for a reply is told so. */
static void close_mailbox(void *mailbox)
{
    struct request request;
    weft_channel_close(mailbox);
    while (weft_channel_try_receive(mailbox, &request) >= 0) {
        weft_future_fail(request.reply, WEFT_ECLOSED, NULL);
        weft_future_release(request.reply);
    }
}

static int change(weft_channel *mailbox, int amount)
{
    weft_future *reply = weft_future_new();
    struct request request = { amount, weft_future_retain(reply) };

    int err = reply ? weft_channel_send(mailbox, &request) : -ENOMEM;
    if (err < 0)
        weft_future_release(request.reply);
    else
        err = weft_await(reply);
    weft_future_release(reply);
    return err;
}

static int customers(void *arg)
{
    static const int amounts[] = { 50, -30, -30, 20, -30 };
    weft_channel *mailbox = arg;

    int err = 0;
    for (int i = 0; i < 5 && (err >= 0 || err == -ERANGE); i++) {
        err = change(mailbox, amounts[i]);
        printf("%+d: %s\n", amounts[i], err < 0 ? weft_error_text(err) : "done");
    }
    return err;
}

static int bank(void *arg)
{
    weft_channel mailbox;
    weft_scope scope;
    (void)arg;

    int err = weft_channel_init(&mailbox, sizeof(struct request), 8);
    if (err < 0)
        return err;
    weft_scope_begin(&scope);
    weft_spawn(&scope, keep_account, &mailbox, .drop = close_mailbox);
    err = customers(&mailbox);
    weft_channel_close(&mailbox);
    err = weft_scope_leave(&scope, err);
    weft_channel_fini(&mailbox);
    return err;
}

int main(void)
{
    return weft_run(bank, NULL) < 0;
}
