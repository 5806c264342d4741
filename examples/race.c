/* Two mirrors are asked at once; the first answer counts, the other question is taken back, and
 * both together have a deadline. Nothing is left running: a scope joins its tasks. */

#include <stdio.h>
#include <weft.h>

struct race {
    weft_scope scope;
    const char *answer;
};

struct mirror {
    struct race *race;
    const char *name;
    int64_t delay;
};

static int ask(void *arg)
{
    struct mirror *mirror = arg;

    int err = weft_sleep(mirror->delay); /* a connect, a write and a read, in real life */
    if (err < 0) {
        printf("  %s: %s\n", mirror->name, weft_error_text(err));
        return err;
    }
    printf("  %s: answers\n", mirror->name);
    mirror->race->answer = mirror->name;
    weft_scope_cancel(&mirror->race->scope, "one answer is enough");
    return 0;
}

static void race(int64_t deadline)
{
    struct race race = { .answer = "nobody" };
    struct mirror near = { &race, "near", 30 * WEFT_MILLISECOND };
    struct mirror far = { &race, "far", 10 * WEFT_SECOND };

    weft_scope_begin(&race.scope, .timeout = deadline);
    weft_spawn(&race.scope, ask, &far);
    weft_spawn(&race.scope, ask, &near);
    int verdict = weft_scope_end(&race.scope);

    printf("%s wins; the scope says: %s\n", race.answer, weft_error_text(verdict));
}

static int races(void *arg)
{
    (void)arg;
    puts("a second for both:");
    race(WEFT_SECOND);
    puts("five milliseconds for both:");
    race(5 * WEFT_MILLISECOND);
    return 0;
}

int main(void)
{
    return weft_run(races, NULL) < 0;
}
