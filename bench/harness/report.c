#include "harness/report.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>
#include <weft/define.h>

#ifdef __clang__
#    define COMPILER __VERSION__
#else
#    define COMPILER "gcc " __VERSION__
#endif

static const char *bench_name;
static FILE *json;

/* The rest of the first line of a file that begins so. */
static const char *line_of(const char *path, const char *start, char *line, size_t size)
{
    const char *found = "?";
    FILE *file = fopen(path, "re");
    while (file && *found == '?' && fgets(line, (int)size, file)) {
        if (strncmp(line, start, strlen(start)) != 0)
            continue;
        line[strcspn(line, "\n")] = '\0';
        found = line + strlen(start);
    }
    if (file)
        fclose(file);
    return found;
}

/* Which sources, as ./dev bench says it. */
static const char *commit(void)
{
    const char *text = getenv("BENCH_COMMIT");
    return text ? text : "unknown sources";
}

static void begin_json(const char *driver, const struct utsname *os, const char *cpu,
                       const char *congestion)
{
    char day[16];
    time_t now = time(NULL);
    strftime(day, sizeof day, "%Y-%m-%d", gmtime(&now));
    fprintf(
        json,
        "{\"bench\": \"%s\", \"date\": \"%s\", \"weft\": \"%s\", \"commit\": \"%s\", \"driver\": \"%s\", \"compiler\": \"%s\", "
        "\"kernel\": \"%s\", \"cpu\": \"%s\", \"processors\": %ld, \"congestion\": \"%s\"}\n",
        bench_name, day, WEFT_VERSION, commit(), driver ? driver : "", COMPILER, os->release, cpu,
        sysconf(_SC_NPROCESSORS_ONLN), congestion);
}

void report_begin(const char *bench, const char *driver, const struct report_options *options)
{
    struct utsname os;
    char model[256], control[64];
    double load = 0;
    uname(&os);
    getloadavg(&load, 1);
    const char *cpu = line_of("/proc/cpuinfo", "model name\t: ", model, sizeof model);
    const char *congestion =
        line_of("/proc/sys/net/ipv4/tcp_congestion_control", "", control, sizeof control);
    bench_name = bench;
    printf("%s: weft %s (%s)%s%s, %s, Linux %s, %s x %ld, here %d and %d, %s, load %.1f\n", bench,
           WEFT_VERSION, commit(), driver ? ", " : "", driver ? driver : "", COMPILER, os.release,
           cpu, sysconf(_SC_NPROCESSORS_ONLN), bench_cpu_of(0), bench_cpu_of(-1), congestion, load);
    if (!options->json)
        return;
    json = fopen(options->json, "ae");
    if (!json) {
        perror(options->json);
        exit(1);
    }
    begin_json(driver, &os, cpu, congestion);
}

/* For people. */

static void print_cost(const struct bench_median *cost, const char *unit)
{
    int digits = cost->value < 100 ? 2 : cost->value < 10000 ? 1 : 0;
    printf("%10.*f %-5s", digits, cost->value, unit);
}

/* Of a time that was taken once. */
static bool is_single(const struct report_side *side, const char *unit)
{
    bool is_time = strcmp(unit, "s") == 0 || (strlen(unit) == 2 && unit[1] == 's');
    return is_time && side->cost.high == side->cost.low;
}

static void print_target(const struct report_side *side, const char *unit)
{
    bool is_saturated = side->verdict == VERDICT_SATURATED;
    if (is_saturated)
        printf("  %s", verdict_text(side->verdict));
    else if (side->verdict != VERDICT_NONE)
        printf("  %s %g%s%s: %s%s", side->target.at_least ? ">=" : "<=", side->target.now,
               *unit ? " " : "", unit, verdict_text(side->verdict),
               is_single(side, unit) ? " (once)" : "");
    if (side->final != VERDICT_NONE && side->verdict == VERDICT_HOLDS &&
        side->final != VERDICT_HOLDS)
        printf(" (at last %g: %s)", side->target.final, verdict_text(side->final));
    putchar('\n');
}

static void print_ours(const char *row, const char *unit, const struct report_side *side)
{
    printf("%-29s", row);
    print_cost(&side->cost, unit);
    if (side->cost.high > side->cost.low)
        printf("  [%.4g, %.4g]", side->cost.low, side->cost.high);
    print_target(side, unit);
}

static void print_other(const char *unit, const struct report_side *side)
{
    printf("    %-25s", side->what ? side->what : side->name);
    if (!side->is_here) {
        printf("  SKIP: %s is not here\n", side->name);
        return;
    }
    print_cost(&side->cost, unit);
    printf("  %s %.3fx [%.3f, %.3f]", side->theirs_by_ours ? "it is" : "ours is", side->times.value,
           side->times.low, side->times.high);
    print_target(side, "");
}

/* For programs. */

static void write_median(const char *name, const struct bench_median *median)
{
    fprintf(json, "\"%s\": [%.6g, %.6g, %.6g]", name, median->value, median->low, median->high);
}

static void write_side(const struct report_side *side)
{
    fprintf(json, "{\"side\": \"%s\", \"what\": \"%s\", ", side->name,
            side->what ? side->what : side->name);
    write_median("cost", &side->cost);
    fputs(", ", json);
    write_median("times", &side->times);
    fprintf(json, ", \"theirs_by_ours\": %s, \"limit\": \"%s%g\", \"verdict\": \"%s\"}",
            side->theirs_by_ours ? "true" : "false",
            side->target.at_least ? ">=" : "<=", side->target.now,
            side->verdict == VERDICT_NONE ? "none" : verdict_text(side->verdict));
}

static void write_row(const char *row, const char *unit, const struct report_side *sides, int count,
                      int rounds)
{
    fprintf(json, "{\"row\": \"%s\", \"unit\": \"%s\", \"rounds\": %d, \"sides\": [", row, unit,
            rounds);
    bool first = true;
    for (int i = 0; i < count; i++) {
        if (!sides[i].is_here)
            continue;
        fputs(first ? "" : ", ", json);
        write_side(&sides[i]);
        first = false;
    }
    fputs("]}\n", json);
    fflush(json);
}

void report_row(const char *row, const char *unit, const struct report_side *sides, int count,
                int rounds)
{
    print_ours(row, unit, &sides[0]);
    for (int i = 1; i < count; i++)
        print_other(unit, &sides[i]);
    fflush(stdout);
    if (json)
        write_row(row, unit, sides, count, rounds);
}

void report_memory(const char *row, const char *side, double bytes)
{
    printf("    %s holds %.1f MB\n", side, bytes / 1e6);
    if (json)
        fprintf(json, "{\"memory of\": \"%s\", \"side\": \"%s\", \"bytes\": %.0f}\n", row, side,
                bytes);
}

void report_end(void)
{
    if (json)
        fclose(json);
    json = NULL;
}
