#include "figures.h"

#include "say.h"
#include "usage.h"

#include <stdio.h>
#include <string.h>
#include <weft.h>

static void read_usage(const struct side *side, struct figures *figures, int64_t *cpu)
{
    for (int i = 0; i < STOREFRONT_PROCESSES; i++) {
        struct usage usage = usage_of(atomic_load(&side->processes[i]));
        if (i < STOREFRONT_PARTS)
            figures->part_states[i] = usage.state;
        if (usage.state == 0)
            continue;
        figures->processes++;
        figures->threads += usage.threads;
        figures->resident += usage.resident;
        figures->stopped |= usage.state == 'T';
        *cpu += usage.cpu;
    }
    figures->runs = figures->processes > 0;
}

static void read_times(const struct side *side, struct side_meter *meter, struct tally *fresh,
                       struct figures *figures)
{
    histogram_take(&side->served.latency, &meter->served, fresh);
    figures->p50 = tally_percentile(fresh, 50);
    figures->p99 = tally_percentile(fresh, 99);
    histogram_take(&side->asked.latency, &meter->asked, fresh);
    if (figures->by_clients) {
        figures->p50 = tally_percentile(fresh, 50);
        figures->p99 = tally_percentile(fresh, 99);
    }
    histogram_take(&side->health, &meter->health, fresh);
    figures->health_p99 = tally_percentile(fresh, 99);
    for (int i = 0; i < STOREFRONT_PARTS; i++) {
        histogram_take(&side->parts[i], &meter->parts[i], fresh);
        figures->part_p99[i] = tally_percentile(fresh, 99);
    }
}

static void read_counts(const struct side *side, struct side_meter *meter, struct figures *figures)
{
    for (int i = 0; i < OUTCOMES; i++) {
        uint64_t count = atomic_load(&side->served.outcomes[i]);
        if (i == OUTCOME_LOST) /* only who asked knows */
            count += atomic_load(&side->asked.outcomes[i]);
        figures->outcomes[i] = count - meter->outcomes[i];
        meter->outcomes[i] = count;
    }
    uint64_t missed = atomic_load(&side->missed);
    figures->missed = missed - meter->missed;
    meter->missed = missed;
}

static void read_side(struct meter *all, const struct board *board, int which, int64_t now,
                      struct figures *figures)
{
    const struct side *side = &board->sides[which];
    struct side_meter *meter = &all->sides[which];
    int64_t cpu = 0, elapsed = now - all->read_at;
    *figures = (struct figures){
        .by_clients = now - atomic_load(&side->asked.begun_at) < 2 * WEFT_SECOND,
    };
    read_usage(side, figures, &cpu);
    read_times(side, meter, &all->fresh, figures);
    read_counts(side, meter, figures);
    figures->in_flight =
        atomic_load(figures->by_clients ? &side->asked.in_flight : &side->served.in_flight);
    double seconds = (double)(elapsed > 0 ? elapsed : 1) / (double)WEFT_SECOND;
    if (cpu > meter->cpu) /* less: a process has ended */
        figures->cpu = (double)(cpu - meter->cpu) / (double)WEFT_SECOND / seconds;
    meter->cpu = cpu;
    for (int i = 0; i < OUTCOME_LOST; i++)
        figures->rate += (double)figures->outcomes[i] / seconds;
}

/* What is new of a figure that only grows. */
static uint64_t take(const _Atomic uint64_t *figure, uint64_t *before)
{
    uint64_t now = atomic_load(figure), fresh = now - *before;
    *before = now;
    return fresh;
}

static void read_store(struct meter *meter, const struct store_figures *figures,
                       struct store_second *second)
{
    struct store_second *before = &meter->store;
    second->asked = take(&figures->asked, &before->asked);
    second->failed = take(&figures->failed, &before->failed);
    second->hits = take(&figures->hits, &before->hits);
    second->misses = take(&figures->misses, &before->misses);
    second->shared = take(&figures->shared, &before->shared);
    histogram_take(&figures->latency, &meter->store_latency, &meter->fresh);
    second->p99 = tally_percentile(&meter->fresh, 99);
}

void meter_read(struct meter *meter, const struct board *board, int64_t now, struct window *window)
{
    for (int i = 0; i < SIDES; i++)
        read_side(meter, board, i, now, &window->sides[i]);
    read_store(meter, &board->store, &window->store);
    meter->read_at = now;
}

void meter_init(struct meter *meter, const struct board *board, int64_t now)
{
    struct window ignored;
    *meter = (struct meter){ .read_at = now };
    meter_read(meter, board, now, &ignored);
}

static double ms(int64_t ns)
{
    return (double)ns / (double)WEFT_MILLISECOND;
}

static void add_some(struct line *line, uint64_t count, const char *what)
{
    if (count > 0)
        line_add(line, ", %llu %s", (unsigned long long)count, what);
}

static void add_side(struct line *line, const char *name, const struct figures *figures)
{
    line_add(line, "%s %4.0f/s, %lld in flight, p50 %.1f p99 %.1f ms, %d threads, %.1f MiB", name,
             figures->rate, (long long)figures->in_flight, ms(figures->p50), ms(figures->p99),
             figures->threads, (double)figures->resident / (1 << 20));
    add_some(line, figures->outcomes[OUTCOME_DEGRADED], "degraded");
    add_some(line, figures->outcomes[OUTCOME_LATE], "x 504");
    add_some(line, figures->outcomes[OUTCOME_FAILED], "x 502");
    add_some(line, figures->outcomes[OUTCOME_LOST], "lost");
    add_some(line, figures->missed, "not asked for");
}

static bool is_worth_telling(const struct figures *figures)
{
    return figures->rate > 0 || figures->in_flight > 0 || figures->outcomes[OUTCOME_LOST] > 0;
}

void block_describe(const struct block *block, char *text, size_t size)
{
    char number[16] = "the loop";
    if (block->loop >= STOREFRONT_PROCESSES)
        snprintf(number, sizeof number, "loop %d", block->loop - STOREFRONT_PROCESSES + 1);
    bool is_gateway = block->loop >= STOREFRONT_GATEWAY;
    const char *loop = is_gateway ? number : part_names[block->loop];
    const char *who = block->who < 0 ? "something" : part_names[block->who];
    double duration = ms(block->duration);
    if (block->who == WATCH_MACHINE)
        snprintf(text, size, "%s waited %.0f ms for a processor", loop, duration);
    else if (block->who == WATCH_STOPPED)
        snprintf(text, size, "%s was stopped by a signal for %.0f ms", loop, duration);
    else if (is_gateway)
        snprintf(text, size, "%s blocked %s for %.0f ms", who, loop, duration);
    else if (block->who == WATCH_NOBODY)
        snprintf(text, size, "%s's process stood still for %.0f ms", loop, duration);
    else
        snprintf(text, size, "%s blocked its own process for %.0f ms", who, duration);
}

void window_print(const struct window *window, const struct block *block)
{
    const struct figures *weft = &window->sides[SIDE_WEFT];
    const struct figures *threads = &window->sides[SIDE_THREADS];
    if (!is_worth_telling(weft) && !is_worth_telling(threads) && block->start == 0)
        return;
    struct line line = { .size = 0 };
    add_side(&line, "weft", weft);
    if (is_worth_telling(threads)) {
        line_add(&line, " | ");
        add_side(&line, "threads", threads);
    }
    if (block->start != 0) {
        char text[96];
        block_describe(block, text, sizeof text);
        line_add(&line, " | %s", text);
    }
    line_say(&line);
}
