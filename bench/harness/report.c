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

/* What only ./dev bench knows. */
static const char *told(const char *variable)
{
    const char *text = getenv(variable);
    return text && *text ? text : "unknown";
}

struct machine {
    struct utsname os;
    char model[256], control[64];
    const char *cpu, *congestion;
    double load;
};

static void look_at(struct machine *machine)
{
    uname(&machine->os);
    if (getloadavg(&machine->load, 1) != 1)
        machine->load = 0;
    machine->cpu =
        line_of("/proc/cpuinfo", "model name\t: ", machine->model, sizeof machine->model);
    machine->congestion = line_of("/proc/sys/net/ipv4/tcp_congestion_control", "", machine->control,
                                  sizeof machine->control);
}

static void write_text(const char *name, const char *text)
{
    fprintf(json, "\"%s\": \"%s\", ", name, text);
}

static void begin_json(const char *driver, const struct machine *machine)
{
    char day[16];
    time_t now = time(NULL);
    strftime(day, sizeof day, "%Y-%m-%d", gmtime(&now));
    fputc('{', json);
    write_text("bench", bench_name);
    write_text("date", day);
    write_text("weft", WEFT_VERSION);
    write_text("commit", told("BENCH_COMMIT"));
    write_text("peers", told("BENCH_PEERS"));
    write_text("driver", driver);
    write_text("compiler", COMPILER);
    write_text("kernel", machine->os.release);
    write_text("cpu", machine->cpu);
    write_text("congestion", machine->congestion);
    fprintf(json, "\"processors\": %ld, \"pinned\": [%d, %d]}\n", sysconf(_SC_NPROCESSORS_ONLN),
            bench_cpu_of(0), bench_cpu_of(-1));
}

static void print_heading(const char *driver, const struct machine *machine)
{
    int first = bench_cpu_of(0), last = bench_cpu_of(-1);
    printf("%s: weft %s (%s), %s, %s, Linux %s, %s x %ld, %s, load %.1f\n", bench_name,
           WEFT_VERSION, told("BENCH_COMMIT"), driver, COMPILER, machine->os.release, machine->cpu,
           sysconf(_SC_NPROCESSORS_ONLN), machine->congestion, machine->load);
    printf("    peers: %s\n", told("BENCH_PEERS"));
    if (first == last)
        printf("    on CPU %d alone: what should have one to itself shares it\n", first);
    else
        printf("    on CPUs %d and %d\n", first, last);
}

void report_begin(const char *bench, const char *driver, const struct report_options *options)
{
    struct machine machine;
    look_at(&machine);
    bench_name = bench;
    print_heading(driver, &machine);
    if (!options->json)
        return;
    json = fopen(options->json, "ae");
    if (!json) {
        perror(options->json);
        exit(1);
    }
    begin_json(driver, &machine);
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
        printf("  SKIP: without %s\n", side->name);
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
