/* A program's rows: which are asked for, how long they are measured, and what became of them. */

#include "bench.h"
#include "core/loop.h"
#include "harness/report.h"
#include "harness/rounds.h"

#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <weft.h>

static struct report_options options = { .wanted = "" };
static const char *program, *last_row = "";
static int repeated, kept;
static bool has_found;

static void usage(const char *name, FILE *out, int status)
{
    fprintf(
        out,
        "usage: bench_%s [--rounds N] [--size N] [--json FILE] [TEXT]\n"
        "\n"
        "  TEXT          only rows whose name contains it\n"
        "  --rounds N    N rounds of each row, made even (2 to %d), instead of %d or more; fewer\n"
        "                judge nothing\n"
        "  --size N      so many tasks, connections, MiB, …, where a program has many of something\n"
        "  --json FILE   append each row to the file as a line of JSON\n",
        name, BENCH_ROUNDS_MAX, BENCH_ROUNDS);
    exit(status);
}

/* Below 0: it is none, or out of bounds. */
static long read_number(const char *word, long least, long most)
{
    char *end;
    long number = strtol(word, &end, 10);
    return *word == '\0' || *end != '\0' || number < least || number > most ? -1 : number;
}

static void read_options(const char *name, int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        bool has_value = i + 1 < argc;
        if (strcmp(argv[i], "--help") == 0)
            usage(name, stdout, 0);
        else if (strcmp(argv[i], "--rounds") == 0 && has_value)
            options.rounds = (int)read_number(argv[++i], 2, BENCH_ROUNDS_MAX);
        else if (strcmp(argv[i], "--size") == 0 && has_value)
            options.size = read_number(argv[++i], 1, LONG_MAX);
        else if (strcmp(argv[i], "--json") == 0 && has_value)
            options.json = argv[++i];
        else if (argv[i][0] == '-')
            usage(name, stderr, 2);
        else
            options.wanted = argv[i];
    }
    if (options.size < 0 || options.rounds < 0)
        usage(name, stderr, 2);
    options.rounds += options.rounds % 2; /* each round has its reverse */
}

/* That of any loop which is made without a word about it. */
static const char *driver(void)
{
    weft_loop *loop;
    int err = weft_loop_new(&loop);
    if (err < 0) {
        fprintf(stderr, "bench_%s: %s\n", program, weft_error_text(err));
        exit(1);
    }
    const char *name = loop->io_ops->name;
    weft_loop_free(loop);
    return name;
}

void bench_begin(const char *name, int argc, char **argv)
{
    program = name;
    read_options(name, argc, argv);
    report_begin(name, driver(), &options);
}

bool bench_wants(const char *row)
{
    bool wanted = strstr(row, options.wanted) != NULL;
    has_found |= wanted;
    return wanted;
}

long bench_size(long usual)
{
    return options.size > 0 ? options.size : usual;
}

/* Ratios. */

static struct bench_median inverse(struct bench_median m)
{
    return (struct bench_median){ 1 / m.value, 1 / m.high, 1 / m.low };
}

static void judge(struct report_side *side)
{
    struct bench_median figure = side->times;
    side->verdict = target_judge(&side->target, side->target.now, figure);
    side->final = target_judge(&side->target, side->target.final, figure);
}

static void judge_ours(struct report_side *side, const struct bench_result *result)
{
    side->cost = side->times = result->cost[0];
    judge(side);
}

static void judge_other(struct report_side *side, const struct bench_result *result, int at)
{
    bool has_target = side->target.now > 0;
    side->theirs_by_ours = has_target ? side->target.at_least : strcmp(side->name, "floor") != 0;
    side->cost = result->cost[at];
    side->times = side->theirs_by_ours ? inverse(result->ratio[at]) : result->ratio[at];
    judge(side);
}

static bool is_open(const struct report_side *side)
{
    return side->verdict == VERDICT_UNDECIDED;
}

/* A row while it is measured: sides that are here, and where each stands in the report. */
struct row {
    struct report_side report[BENCH_SIDES_MAX];
    struct bench_side here[BENCH_SIDES_MAX];
    int places[BENCH_SIDES_MAX];
    int count, here_count;
};

static void list_sides(struct row *row, const char *name, const struct bench_side *sides)
{
    for (; row->count < BENCH_SIDES_MAX && sides[row->count].name; row->count++) {
        const struct bench_side *side = &sides[row->count];
        row->report[row->count] =
            (struct report_side){ .name = side->name,
                                  .what = side->what,
                                  .is_here = side->run != NULL,
                                  .target = target_find(name, row->count == 0 ? "-" : side->name) };
        if (!side->run)
            continue;
        row->places[row->here_count] = row->count;
        row->here[row->here_count++] = *side;
    }
}

/* Why what was found cannot be judged, or not so. */
static void doubt(struct report_side *side, const struct rounds *rounds, int at)
{
    struct doubts doubts = { .rounds = rounds_done(rounds),
                             .stolen = rounds_stolen(rounds),
                             .is_unfit = rounds_saturated(rounds, at),
                             .is_ours_unfit = rounds_saturated(rounds, 0) };
    side->verdict = target_doubt(side->verdict, &doubts);
}

/* Whether more rounds may tell more. */
static bool judge_all(struct row *row, const struct rounds *rounds,
                      const struct bench_result *result)
{
    bool open = false;
    judge_ours(&row->report[0], result);
    for (int i = 1; i < row->here_count; i++)
        judge_other(&row->report[row->places[i]], result, i);
    for (int i = 0; i < row->here_count; i++)
        open |= is_open(&row->report[row->places[i]]);
    for (int i = 0; i < row->here_count; i++)
        doubt(&row->report[row->places[i]], rounds, i);
    return open;
}

static struct bench_result measure(struct row *row, bool is_time)
{
    struct rounds *rounds = rounds_begin(row->here, row->here_count, is_time);
    rounds_run(rounds, options.rounds > 0 ? options.rounds : BENCH_ROUNDS);
    struct bench_result result = rounds_result(rounds);
    while (judge_all(row, rounds, &result) && options.rounds == 0 &&
           result.rounds < BENCH_ROUNDS_MAX) {
        rounds_run(rounds, BENCH_ROUNDS);
        result = rounds_result(rounds);
    }
    repeated += rounds_repeated(rounds);
    kept += rounds_stolen(rounds);
    rounds_end(rounds);
    return result;
}

/* By the places the caller knows. */
static struct bench_result spread(const struct row *row, const struct bench_result *result)
{
    struct bench_result all = { .rounds = result->rounds };
    for (int i = 0; i < row->here_count; i++) {
        all.cost[row->places[i]] = result->cost[i];
        all.ratio[row->places[i]] = result->ratio[i];
    }
    return all;
}

struct bench_result bench_row(const char *name, const char *unit, const struct bench_side *sides)
{
    struct row row = { .count = 0 };
    if (!bench_wants(name))
        return (struct bench_result){ .rounds = 0 };
    list_sides(&row, name, sides);
    struct bench_result result = measure(&row, strcmp(unit, "B") != 0);
    last_row = name;
    report_row(name, unit, row.report, row.count, result.rounds);
    return spread(&row, &result);
}

void bench_value(const char *name, const char *unit, double value)
{
    struct report_side side = { .name = "weft", .is_here = true, .target = target_find(name, "-") };
    if (!bench_wants(name))
        return;
    side.cost = side.times = (struct bench_median){ value, value, value };
    judge(&side);
    last_row = name;
    report_row(name, unit, &side, 1, 1);
}

void bench_memory(const char *side, double bytes)
{
    report_memory(last_row, side, bytes);
}

void bench_note(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    printf("    ");
    vprintf(format, args);
    putchar('\n');
    va_end(args);
    fflush(stdout);
}

int bench_end(void)
{
    if (repeated > 0)
        bench_note("runs made again, for time was stolen in them: %d", repeated);
    if (kept > 0)
        bench_note("runs kept although time was stolen in them: %d", kept);
    report_end();
    if (!has_found)
        fprintf(stderr, "bench_%s: no row of that name: %s\n", program, options.wanted);
    return has_found ? 0 : 1;
}
