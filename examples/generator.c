/* Two generators. One hands out Fibonacci's numbers, each when it is asked for; the other one is
 * told a number at a time and answers with the mean of all so far. Neither keeps its state in a
 * struct: it is where it stopped. */

#include <stdio.h>
#include <weft.h>

static int fibonacci(weft_gen *gen, void *arg)
{
    long a = 0, b = 1;
    int err = 0;
    (void)arg;

    while (err == 0) {
        long next = a + b;
        err = weft_yield(gen, &a);
        a = b;
        b = next;
    }
    puts("fibonacci: closed"); /* the place to clean up: WEFT_ECLOSED */
    return err;
}

static int mean(weft_gen *gen, void *arg)
{
    double sum = 0, answer = 0;
    int err = 0;
    (void)arg;

    for (int n = 1; err == 0; n++) {
        sum += *(const double *)weft_gen_received(gen);
        answer = sum / n;
        err = weft_yield(gen, &answer);
    }
    return err;
}

static int generators(void *arg)
{
    weft_gen *numbers, *means;
    double samples[] = { 2, 4, 9 }, answer;
    long number;
    (void)arg;

    int err = weft_gen_open(&numbers, fibonacci, NULL, .item_size = sizeof number);
    if (err < 0)
        return err;
    for (int i = 0; i < 10 && weft_gen_next(numbers, &number) > 0; i++)
        printf("%ld%s", number, i < 9 ? " " : "\n");
    weft_gen_close(numbers);

    err = weft_gen_open(&means, mean, NULL, .item_size = sizeof answer);
    if (err < 0)
        return err;
    for (int i = 0; i < 3 && weft_gen_send(means, &samples[i], &answer) > 0; i++)
        printf("%g is sent, the mean is %g\n", samples[i], answer);
    return weft_gen_close(means);
}

int main(void)
{
    return weft_run(generators, NULL) < 0;
}
