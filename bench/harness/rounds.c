/* A round runs each side once. The order is drawn for every other round, and the one after it goes
 * backwards: ABC CBA, BCA ACB.
 *
 * The hypervisor's theft is counted by the kernel in hundredths of a second, for all processors
 * together; a run that met even one of them is 10 ms off, and made again. What is stolen from
 * three times running is kept, and said. */

#include "harness/rounds.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TRIES 4 /* of a run */

struct rounds {
    const struct bench_side *sides;
    int count;
    bool is_time;
    int order[BENCH_SIDES_MAX];
    int done;
    int repeated, kept;                                    /* runs in which time was stolen */
    int runs[BENCH_SIDES_MAX], saturated[BENCH_SIDES_MAX]; /* saturated: of those runs */
    double cost[BENCH_SIDES_MAX][BENCH_ROUNDS_MAX];
};

static unsigned dice_below(unsigned count)
{
    static uint64_t state;
    if (state == 0)
        state = (uint64_t)bench_now_ns() | 1;
    state = state * UINT64_C(6364136223846793005) + 1442695040888963407;
    return (unsigned)(state >> 33) % count;
}

static void swap(int *left, int *right)
{
    int kept = *left;
    *left = *right;
    *right = kept;
}

static void draw_order(struct rounds *rounds)
{
    for (int i = rounds->count - 1; i > 0; i--)
        swap(&rounds->order[i], &rounds->order[dice_below((unsigned)i + 1)]);
}

static void reverse_order(struct rounds *rounds)
{
    for (int i = 0, k = rounds->count - 1; i < k; i++, k--)
        swap(&rounds->order[i], &rounds->order[k]);
}

/* By all processors together. */
static unsigned long long kernel_stolen(void)
{
    unsigned long long ticks = 0;
    FILE *file = fopen("/proc/stat", "re");
    if (file && fscanf(file, "cpu %*u %*u %*u %*u %*u %*u %*u %llu", &ticks) != 1)
        ticks = 0;
    if (file)
        fclose(file);
    return ticks;
}

unsigned long long (*rounds_theft)(void) = kernel_stolen;

static bool is_saturated; /* the run under way */

void bench_saturated(void)
{
    is_saturated = true;
}

static double run_once(struct rounds *rounds, int at)
{
    const struct bench_side *side = &rounds->sides[at];
    is_saturated = false;
    double cost = side->run(side->arg);
    rounds->runs[at]++;
    rounds->saturated[at] += is_saturated;
    if (cost > 0)
        return cost;
    fprintf(stderr, "bench: a run of %s has failed\n", side->name);
    exit(1);
}

static double run_side(struct rounds *rounds, int at)
{
    for (int try = 1;; try++) {
        unsigned long long before = rounds_theft();
        double cost = run_once(rounds, at);
        if (rounds_theft() == before || !rounds->is_time)
            return cost;
        rounds->kept += try == TRIES;
        if (try == TRIES)
            return cost;
        rounds->repeated++;
    }
}

static void run_round(struct rounds *rounds)
{
    for (int i = 0; i < rounds->count; i++) {
        int at = rounds->order[i];
        rounds->cost[at][rounds->done] = run_side(rounds, at);
    }
    rounds->done++;
}

struct rounds *rounds_begin(const struct bench_side *sides, int count, bool is_time)
{
    struct rounds *rounds = calloc(1, sizeof *rounds);
    if (!rounds)
        abort();
    rounds->sides = sides;
    rounds->count = count;
    rounds->is_time = is_time;
    for (int i = 0; i < count; i++) {
        rounds->order[i] = i;
        run_once(rounds, i);
    }
    return rounds;
}

void rounds_run(struct rounds *rounds, int more)
{
    for (; more > 0 && rounds->done < BENCH_ROUNDS_MAX; more--) {
        if (rounds->done % 2 == 0)
            draw_order(rounds);
        else
            reverse_order(rounds);
        run_round(rounds);
    }
}

static int compare(const void *left, const void *right)
{
    double l = *(const double *)left, r = *(const double *)right;
    return (l > r) - (l < r);
}

/* Sorts `samples`. Ranks n/2 -+ 0.98 sqrt(n) bound the median at 95 %. */
static struct bench_median median_of(double *samples, int count)
{
    qsort(samples, (size_t)count, sizeof *samples, compare);
    int rank = (int)(((double)count - 1.96 * sqrt(count)) / 2);
    rank = rank < 0 ? 0 : rank;
    double value = (samples[(count - 1) / 2] + samples[count / 2]) / 2;
    return (struct bench_median){ value, samples[rank], samples[count - 1 - rank] };
}

struct bench_result rounds_result(const struct rounds *rounds)
{
    struct bench_result result = { .rounds = rounds->done };
    double samples[BENCH_ROUNDS_MAX];
    for (int side = 0; side < rounds->count; side++) {
        memcpy(samples, rounds->cost[side], sizeof samples);
        result.cost[side] = median_of(samples, rounds->done);
        for (int i = 0; i < rounds->done; i++)
            samples[i] = rounds->cost[0][i] / rounds->cost[side][i];
        result.ratio[side] = median_of(samples, rounds->done);
    }
    return result;
}

int rounds_done(const struct rounds *rounds)
{
    return rounds->done;
}

int rounds_repeated(const struct rounds *rounds)
{
    return rounds->repeated;
}

int rounds_stolen(const struct rounds *rounds)
{
    return rounds->kept;
}

bool rounds_saturated(const struct rounds *rounds, int side)
{
    return 2 * rounds->saturated[side] > rounds->runs[side];
}

void rounds_end(struct rounds *rounds)
{
    free(rounds);
}
