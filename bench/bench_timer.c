/* A timer set and taken back, as nearly all of them are, beside so many others: weft, a ring of
 * lists by hand, and libuv, Go and asyncio.
 *
 *     bench_timer [--help] */

#include "floor/timer_floor.h"
#include "table.h"

#include <string.h>
#include <weft.h>

#define COUNT 300000

static void never(void *arg)
{
    (void)arg;
}

static int64_t later(int64_t now, long number)
{
    return now + WEFT_HOUR + number % 1000003 * WEFT_MILLISECOND;
}

static int set_and_cancel(struct row *row, long pending)
{
    weft_handle *others = calloc((size_t)pending + 1, sizeof *others);
    int64_t now = weft_now();
    if (!others)
        return -1;
    for (long i = 0; i < pending; i++)
        others[i] = weft_call_at(later(now, i * 7919), never, NULL);
    double start = bench_now_ns();
    for (long i = 0; i < row->count; i++)
        weft_handle_cancel(weft_call_at(later(now, i * 104729), never, NULL));
    row_finish(row, start);
    for (long i = 0; i < pending; i++)
        weft_handle_cancel(others[i]);
    free(others);
    return 0;
}

static int beside_a_thousand(void *row)
{
    return set_and_cancel(row, 1000);
}

static int beside_a_million(void *row)
{
    return set_and_cancel(row, 1000000);
}

static double floor_thousand(void *count)
{
    return timer_floor_ns(1000, *(long *)count);
}

static double floor_million(void *count)
{
    return timer_floor_ns(1000000, *(long *)count);
}

static const struct line lines[] = {
    { "timer/1,000", beside_a_thousand, "a ring of lists", floor_thousand, COUNT, "timer1000" },
    { "timer/1,000,000", beside_a_million, "a ring of lists", floor_million, COUNT,
      "timer1000000" },
};

int main(int argc, char **argv)
{
    table_begin("timer", argc, argv);
    table_compare(lines, sizeof lines / sizeof lines[0]);
    return table_end();
}
