/* Twenty questions at once, but never more than four under way: a semaphore lets them in. The
 * answers come through a channel, in the order in which they are there. */

#include <stdio.h>
#include <weft.h>

enum { QUESTIONS = 20, AT_ONCE = 4 };

struct fanout {
    weft_semaphore slots;
    weft_channel answers;
    int under_way, most;
};

struct question {
    struct fanout *fanout;
    int number;
};

static int look_up(struct fanout *fanout, int number)
{
    if (++fanout->under_way > fanout->most)
        fanout->most = fanout->under_way;
    int err = weft_sleep((1 + number % 5) * WEFT_MILLISECOND); /* a fetch, in real life */
    fanout->under_way--;
    return err;
}

static int ask(void *arg)
{
    struct question *question = arg;
    struct fanout *fanout = question->fanout;

    int err = weft_semaphore_acquire(&fanout->slots, 1);
    if (err < 0)
        return err;
    err = look_up(fanout, question->number);
    weft_semaphore_release(&fanout->slots, 1);
    return err < 0 ? err : weft_channel_send(&fanout->answers, &question->number);
}

static int gather(struct fanout *fanout)
{
    int sum = 0, answer, err = 0;
    for (int i = 0; err >= 0 && i < QUESTIONS; i++)
        if ((err = weft_channel_receive(&fanout->answers, &answer)) >= 0)
            sum += answer;
    if (err >= 0)
        printf("%d answers, sum %d, at most %d at once\n", QUESTIONS, sum, fanout->most);
    return err;
}

static int fan_out(void *arg)
{
    struct fanout fanout = { .most = 0 };
    struct question questions[QUESTIONS];
    weft_scope scope;
    (void)arg;

    weft_semaphore_init(&fanout.slots, AT_ONCE, .max = AT_ONCE);
    int err = weft_channel_init(&fanout.answers, sizeof(int), 0);
    if (err < 0)
        return err;
    weft_scope_begin(&scope, .timeout = 10 * WEFT_SECOND);
    for (int i = 0; i < QUESTIONS; i++) {
        questions[i] = (struct question){ &fanout, i };
        weft_spawn(&scope, ask, &questions[i]);
    }
    err = weft_scope_leave(&scope, gather(&fanout));
    weft_channel_fini(&fanout.answers);
    weft_semaphore_fini(&fanout.slots);
    return err;
}

int main(void)
{
    return weft_run(fan_out, NULL) < 0;
}
