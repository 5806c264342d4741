/* Two loops that send each other items; tests/e2e/cross_calls.py counts what the kernel is asked.
 *
 *     cross awake TRIPS      one item to and fro, both loops look for mail instead of sleeping
 *     cross asleep TURNS     100 items a turn, and the sender waits until all have arrived */

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <weft.h>

#define BATCH 100

static _Atomic(weft_mailbox *) boxes[2];
static int64_t spin;
static long rounds, batch;

static void check(int err)
{
    if (err >= 0)
        return;
    fprintf(stderr, "cross: %s\n", weft_error_text(err));
    exit(1);
}

static weft_mailbox *meet(int index)
{
    weft_mailbox *box, *others;
    check(weft_mailbox_new(&box, sizeof(long), 2 * BATCH));
    boxes[index] = weft_mailbox_retain(box);
    while (!(others = boxes[1 - index]))
        weft_sleep(WEFT_MILLISECOND);
    return box;
}

/* A batch there, one item back. */
static int ask(void *arg)
{
    (void)arg;
    weft_mailbox *in = meet(0), *out = boxes[1];
    long item = 0;
    for (long i = 0; i < rounds; i++) {
        for (long k = 0; k < batch; k++)
            check(weft_mailbox_send(out, &k));
        check(weft_mailbox_receive(in, &item));
    }
    weft_mailbox_release(out);
    weft_mailbox_release(in);
    return 0;
}

static int answer(void *arg)
{
    (void)arg;
    weft_mailbox *in = meet(1), *out = boxes[0];
    long item = 0;
    for (long i = 0; i < rounds; i++) {
        for (long k = 0; k < batch; k++)
            check(weft_mailbox_receive(in, &item));
        check(weft_mailbox_send(out, &item));
    }
    weft_mailbox_release(out);
    weft_mailbox_release(in);
    return 0;
}

static void *run_answer(void *arg)
{
    check(weft_run(answer, arg, .spin = spin, .no_signals = true));
    return NULL;
}

int main(int argc, char **argv)
{
    pthread_t thread;
    if (argc != 3)
        return 2;
    bool awake = strcmp(argv[1], "awake") == 0;
    spin = awake ? WEFT_SECOND : -1;
    batch = awake ? 1 : BATCH;
    rounds = strtol(argv[2], NULL, 10);
    pthread_create(&thread, NULL, run_answer, NULL);
    check(weft_run(ask, NULL, .spin = spin, .no_signals = true));
    pthread_join(thread, NULL);
    return 0;
}
