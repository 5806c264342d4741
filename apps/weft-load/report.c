#include "report.h"

#include "weft/define.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TEXT 24 /* room for any number below */
#define BAR  40
#define NEAR 0.7 /* of the ceiling: from there on the rate is not the server's alone */

/* --- Numbers as people read them. --- */

/* Three digits and a unit. */
static const char *scaled(char text[TEXT], double number, const char *const *units, double base)
{
    while (number >= base * 0.9995 && units[1] != NULL)
        number /= base, units++;
    int digits = number < 9.995 ? 2 : number < 99.95 ? 1 : 0;
    snprintf(text, TEXT, "%.*f %s", digits, number, *units);
    return text;
}

static const char *time_text(char text[TEXT], double ns)
{
    static const char *const units[] = { "ns", "us", "ms", "s", NULL };
    if (ns < 999.5) {
        snprintf(text, TEXT, "%.0f ns", ns);
        return text;
    }
    return scaled(text, ns, units, 1000);
}

static const char *bytes_text(char text[TEXT], double bytes)
{
    static const char *const units[] = { "B", "KB", "MB", "GB", NULL };
    return scaled(text, bytes, units, 1000);
}

/* 1234567 as 1,234,567. */
static const char *count_text(char text[TEXT], double number)
{
    char digits[TEXT];
    int size = snprintf(digits, sizeof digits, "%.0f", number), out = 0;
    for (int i = 0; i < size && out < TEXT - 2; i++) {
        if (i > 0 && (size - i) % 3 == 0)
            text[out++] = ',';
        text[out++] = digits[i];
    }
    text[out] = '\0';
    return text;
}

static const char *rate_text(char text[TEXT], double rate)
{
    if (rate >= 100)
        return count_text(text, rate);
    snprintf(text, TEXT, "%.3g", rate);
    return text;
}

/* --- Progress. --- */

static void show(const struct report *report, const struct second *second)
{
    char rate[TEXT], p50[TEXT], p99[TEXT], line[200];
    int size = snprintf(line, sizeof line,
                        "\r%4.0f s  %9s/s  p50 %8s  p99 %8s  %d connections  %llu errors \033[K",
                        (double)second->end / 1e9,
                        rate_text(rate, (double)second->answered / ((double)second->length / 1e9)),
                        time_text(p50, (double)second->p50), time_text(p99, (double)second->p99),
                        second->open, (unsigned long long)second->faults);
    if (report->live && write(STDERR_FILENO, line, (size_t)size) < 0)
        return; /* nobody can be told */
}

void report_second(void *context, const struct measures *measures, int64_t length)
{
    struct report *report = context;
    report->step_time += length;
    struct second second = { .step = report->count,
                             .end = report->step_time,
                             .length = length,
                             .asked = measures->asked,
                             .answered = measures->answered,
                             .faults = measures_faults(measures),
                             .p50 = durations_quantile(&measures->from_due, 0.5),
                             .p99 = durations_quantile(&measures->from_due, 0.99),
                             .max = measures->from_due.max,
                             .open = engine_open_count(report->engine) };
    if (length <= 0)
        return;
    show(report, &second);
    if (report->second_count == report->second_room) {
        size_t room = report->second_room > 0 ? 2 * report->second_room : 64;
        struct second *larger = realloc(report->seconds, room * sizeof *larger);
        if (larger == NULL)
            return;
        report->seconds = larger;
        report->second_room = room;
    }
    report->seconds[report->second_count++] = second;
}

void report_end_line(const struct report *report)
{
    if (report->live && write(STDERR_FILENO, "\r\033[K", 4) < 0)
        return;
}

uint64_t report_faults(const struct report *report)
{
    uint64_t sum = 0;
    for (int i = 0; i < report->count; i++)
        sum += measures_faults(&report->results[i]->measures);
    return sum;
}

/* --- The summary. --- */

static const double parts[] = { 0.5, 0.9, 0.99, 0.999, 0.9999 };
static const char *const part_names[] = { "p50", "p90", "p99", "p99.9", "p99.99" };
#define PARTS (sizeof parts / sizeof *parts)

static void print_title(const struct report *report, FILE *file)
{
    const struct options *options = report->options;
    const struct request_options *request = &options->request;
    char text[TEXT];
    for (int i = 0; i < options->target_count && i < 3; i++)
        fprintf(file, "%s%s%s\n", request->method ? request->method : "",
                request->method ? " " : "", options->targets[i].url);
    if (options->target_count > 3)
        fprintf(file, "... %d URLs\n", options->target_count);
    fprintf(file, "  %s connection%s", count_text(text, options->connections),
            options->connections == 1 ? "" : "s");
    if (options->pipeline > 1)
        fprintf(file, ", %d requests under way on each", options->pipeline);
    if (request->close)
        fprintf(file, ", one exchange on each");
    fprintf(file, ", %s loop\n\n", options->step_count > 0 ? "open" : "closed");
}

static void print_durations(const char *name, const struct durations *durations, FILE *file)
{
    char text[TEXT];
    fprintf(file, "  %-11s", name);
    for (size_t i = 0; i < PARTS; i++)
        fprintf(file, "%9s", time_text(text, (double)durations_quantile(durations, parts[i])));
    fprintf(file, "%9s", time_text(text, (double)durations->max));
    fprintf(file, "%9s", time_text(text, durations_mean(durations)));
    fprintf(file, "%9s\n", time_text(text, durations_deviation(durations)));
}

static void print_latencies(const struct measures *measures, FILE *file)
{
    fprintf(file, "\n  latency    ");
    for (size_t i = 0; i < PARTS; i++)
        fprintf(file, "%9s", part_names[i]);
    fprintf(file, "%9s%9s%9s\n", "max", "mean", "stdev");
    print_durations("from due", &measures->from_due, file);
    print_durations("from send", &measures->from_sent, file);
}

/* The bounds of the rows, in each decade: the finest that make no more than ROWS of them. */
#define ROWS 14
static const double fine[] = { 1, 1.2, 1.4, 1.6, 1.8, 2, 2.5, 3, 3.5, 4, 5, 6, 7, 8, 9, 0 };
static const double middling[] = { 1, 1.5, 2, 3, 4, 6, 8, 0 };
static const double coarse[] = { 1, 2, 5, 0 };
static const double *const grids[] = { fine, middling, coarse };

static int64_t bound_after(int64_t bound, const double *grid)
{
    for (double decade = 1;; decade *= 10)
        for (const double *step = grid; *step > 0; step++)
            if (*step * decade > (double)bound + 0.5)
                return (int64_t)(*step * decade + 0.5);
}

static int count_rows(const struct durations *durations, const double *grid)
{
    int rows = 0;
    for (int64_t bound = 0, next; bound < durations->max; bound = next, rows++) {
        next = bound_after(bound, grid);
        rows -= durations_up_to(durations, next) == 0;
    }
    return rows;
}

static const double *choose_grid(const struct durations *durations)
{
    int i = 0;
    while (grids[i] != coarse && count_rows(durations, grids[i]) > ROWS)
        i++;
    return grids[i];
}

static void print_bars(const struct durations *durations, FILE *file)
{
    const double *grid = choose_grid(durations);
    uint64_t before = 0;
    fprintf(file, "\n");
    for (int64_t bound = 0, next; bound < durations->max; bound = next) {
        char text[TEXT];
        next = bound_after(bound, grid);
        uint64_t upto = durations_up_to(durations, next), here = upto - before;
        before = upto;
        if (upto == 0)
            continue;
        double part = (double)here / (double)durations->count;
        int size = (int)(part * BAR + 0.5);
        fprintf(file, "  <= %8s %7.3f %%  %.*s%s\n", time_text(text, (double)next), part * 100,
                size, "########################################", here > 0 && size == 0 ? "." : "");
    }
}

static void print_answers(const struct report *report, const struct load_result *result, FILE *file)
{
    char text[TEXT];
    const struct measures *measures = &result->measures;
    double seconds = (double)result->elapsed / 1e9;
    fprintf(file, "  answers    %s in %.2f s: ", count_text(text, (double)measures->answered),
            seconds);
    fprintf(file, "%s a second", rate_text(text, result->achieved));
    if (report->options->step_count > 0)
        fprintf(file, " of %s", rate_text(text, result->offered));
    fprintf(file, "; %s/s in", bytes_text(text, (double)measures->bytes_in / seconds));
    fprintf(file, ", %s/s out\n", bytes_text(text, (double)measures->bytes_out / seconds));
    if (result->unsent > 0)
        fprintf(file, "  unsent     %s were due and found no place before the end\n",
                count_text(text, (double)result->unsent));
}

static void print_faults(const struct report *report, FILE *file)
{
    uint64_t counts[FAULTS] = { 0 };
    for (int i = 0; i < report->count; i++)
        for (int fault = 1; fault < FAULTS; fault++)
            counts[fault] += report->results[i]->measures.faults[fault];
    fprintf(file, "\n  errors%s\n", report_faults(report) == 0 ? "     none" : "");
    for (int fault = 1; fault < FAULTS; fault++) {
        char text[TEXT];
        if (counts[fault] > 0)
            fprintf(file, "  %10s %-9s  the first: %s\n", count_text(text, (double)counts[fault]),
                    fault_names[fault], engine_example(report->engine, (enum fault)fault));
    }
}

static void print_generator(const struct report *report, const struct load_result *result,
                            FILE *file)
{
    char text[TEXT];
    const struct measures *measures = &result->measures;
    double cpu = (double)(result->cpu - result->spun);
    double ends = (double)(measures->answered + measures_faults(measures));
    double answers = ends > 0 ? ends : 1; /* wrong ones cost as much */
    fprintf(file, "  generator  %s of CPU an answer, ", time_text(text, cpu / answers));
    fprintf(file, "%.0f %% of a processor", cpu / (double)result->elapsed * 100);
    if (result->spun > 0)
        fprintf(file, " and %.0f %% spinning",
                (double)result->spun / (double)result->elapsed * 100);
    fprintf(file, "; %s connections made\n", count_text(text, (double)measures->connects));
    if (report->options->step_count == 0)
        return;
    const struct durations *late = &measures->late;
    fprintf(file, "             sent late by p50 %s, ",
            time_text(text, (double)durations_quantile(late, 0.5)));
    fprintf(file, "p99 %s, ", time_text(text, (double)durations_quantile(late, 0.99)));
    fprintf(file, "max %s\n", time_text(text, (double)late->max));
}

void report_ceiling(const struct ceiling *ceiling, FILE *file)
{
    char text[TEXT];
    fprintf(file, "  ceiling    %s a second", rate_text(text, ceiling->rate));
    fprintf(file, " against a server that does nothing, %s of CPU an answer\n",
            time_text(text, ceiling->cpu_ns));
}

/* The fastest step says whether the generator can have been the limit. */
static void print_ceiling(const struct report *report, FILE *file)
{
    double most = 0;
    if (report->ceiling.rate <= 0)
        return;
    report_ceiling(&report->ceiling, file);
    for (int i = 0; i < report->count; i++)
        if (report->results[i]->achieved > most)
            most = report->results[i]->achieved;
    if (most > NEAR * report->ceiling.rate)
        fprintf(file, "             this comes to %.0f %% of it: the server may be quicker\n",
                100 * most / report->ceiling.rate);
}

static void print_step(const struct load_result *result, FILE *file)
{
    static const double few[] = { 0.5, 0.9, 0.99, 0.999 };
    char text[TEXT];
    fprintf(file, "%11s", rate_text(text, result->offered));
    fprintf(file, "%11s", rate_text(text, result->achieved));
    for (size_t i = 0; i < sizeof few / sizeof *few; i++)
        fprintf(file, "%10s",
                time_text(text, (double)durations_quantile(&result->measures.from_due, few[i])));
    fprintf(file, "%10s", time_text(text, (double)result->measures.from_due.max));
    fprintf(file, "%9s", count_text(text, (double)measures_faults(&result->measures)));
    fprintf(file, "%9s\n", count_text(text, (double)result->unsent));
}

static void print_steps(const struct report *report, FILE *file)
{
    fprintf(file, "%11s%11s%10s%10s%10s%10s%10s%9s%9s\n", "offered/s", "answered/s", "p50", "p90",
            "p99", "p99.9", "max", "errors", "unsent");
    for (int i = 0; i < report->count; i++)
        print_step(report->results[i], file);
}

void report_summary(const struct report *report, FILE *file)
{
    print_title(report, file);
    const struct load_result *last = report->results[report->count - 1];
    if (report->count > 1) {
        print_steps(report, file);
    } else {
        print_answers(report, last, file);
        if (last->measures.answered > 0) {
            print_latencies(&last->measures, file);
            print_bars(&last->measures.from_due, file);
        }
    }
    print_faults(report, file);
    print_generator(report, last, file);
    print_ceiling(report, file);
}

/* --- JSON. --- */

static void json_text(const char *name, const char *text, FILE *file)
{
    fprintf(file, "\"%s\": \"", name);
    for (; *text != '\0'; text++) {
        unsigned char byte = (unsigned char)*text;
        if (byte == '"' || byte == '\\')
            fprintf(file, "\\%c", byte);
        else if (byte < 0x20 || byte >= 0x7f) /* bytes, of no encoding that is known */
            fprintf(file, "\\u%04x", byte);
        else
            fputc(byte, file);
    }
    fputc('"', file);
}

static void json_durations(const char *name, const struct durations *durations, FILE *file)
{
    fprintf(file, "      \"%s\": {\"count\": %llu", name, (unsigned long long)durations->count);
    for (size_t i = 0; i < PARTS; i++)
        fprintf(file, ", \"%s\": %lld", part_names[i],
                (long long)durations_quantile(durations, parts[i]));
    fprintf(file, ", \"min\": %lld, \"max\": %lld, \"mean\": %.1f, \"stdev\": %.1f},\n",
            (long long)durations->min, (long long)durations->max, durations_mean(durations),
            durations_deviation(durations));
}

static void json_faults(const struct measures *measures, FILE *file)
{
    fprintf(file, "      \"errors\": {");
    for (int i = 1; i < FAULTS; i++)
        fprintf(file, "%s\"%s\": %llu", i > 1 ? ", " : "", fault_names[i],
                (unsigned long long)measures->faults[i]);
    fprintf(file, "},\n      \"statuses\": {");
    for (int i = 1, some = 0; i < 10; i++)
        if (measures->statuses[i] > 0)
            fprintf(file, "%s\"%dxx\": %llu", some++ ? ", " : "", i,
                    (unsigned long long)measures->statuses[i]);
    fprintf(file, "}\n");
}

static void json_step(const struct report *report, int step, FILE *file)
{
    const struct load_result *result = report->results[step];
    const struct measures *measures = &result->measures;
    fprintf(file, "    {\n");
    if (report->options->step_count > 0)
        fprintf(file, "      \"rate\": [%.10g, %.10g],\n", report->options->steps[step].from,
                report->options->steps[step].to);
    fprintf(file, "      \"elapsed_s\": %.9f, \"offered_per_s\": %.3f, \"answered_per_s\": %.3f,\n",
            (double)result->elapsed / 1e9, result->offered, result->achieved);
    fprintf(file,
            "      \"asked\": %llu, \"answered\": %llu, \"wrong_or_lost\": %llu, "
            "\"unsent\": %llu,\n",
            (unsigned long long)measures->asked, (unsigned long long)measures->answered,
            (unsigned long long)measures_faults(measures), (unsigned long long)result->unsent);
    fprintf(file, "      \"connects\": %llu, \"bytes_in\": %llu, \"bytes_out\": %llu,\n",
            (unsigned long long)measures->connects, (unsigned long long)measures->bytes_in,
            (unsigned long long)measures->bytes_out);
    fprintf(file, "      \"generator_cpu_ns\": %lld, \"generator_spin_ns\": %lld,\n",
            (long long)result->cpu, (long long)result->spun);
    json_durations("latency_from_due_ns", &measures->from_due, file);
    json_durations("latency_from_send_ns", &measures->from_sent, file);
    json_durations("sent_late_ns", &measures->late, file);
    json_faults(measures, file);
    fprintf(file, "    }%s\n", step + 1 < report->count ? "," : "");
}

static void json_second(const struct second *second, bool is_last, FILE *file)
{
    fprintf(file,
            "    {\"step\": %d, \"at_s\": %.3f, \"answered_per_s\": %.1f, \"errors\": %llu, "
            "\"p50_ns\": %lld, \"p99_ns\": %lld, \"max_ns\": %lld, \"connections\": %d}%s\n",
            second->step + 1, (double)second->end / 1e9,
            (double)second->answered / ((double)second->length / 1e9),
            (unsigned long long)second->faults, (long long)second->p50, (long long)second->p99,
            (long long)second->max, second->open, is_last ? "" : ",");
}

void report_json(const struct report *report, FILE *file)
{
    const struct options *options = report->options;
    fprintf(file, "{\n  \"weft_load\": \"%s\",\n  \"targets\": [", WEFT_VERSION);
    for (int i = 0; i < options->target_count; i++) {
        fprintf(file, "%s{", i > 0 ? ", " : "");
        json_text("url", options->targets[i].url, file);
        fprintf(file, ", \"weight\": %u}", options->targets[i].weight);
    }
    fprintf(file, "],\n  \"loop\": \"%s\", \"connections\": %d, \"pipeline\": %d,\n",
            options->step_count > 0 ? "open" : "closed", options->connections, options->pipeline);
    if (report->ceiling.rate > 0)
        fprintf(file, "  \"ceiling\": {\"answered_per_s\": %.3f, \"generator_cpu_ns\": %.1f},\n",
                report->ceiling.rate, report->ceiling.cpu_ns);
    fprintf(file, "  \"steps\": [\n");
    for (int i = 0; i < report->count; i++)
        json_step(report, i, file);
    fprintf(file, "  ],\n  \"seconds\": [\n");
    for (size_t i = 0; i < report->second_count; i++)
        json_second(&report->seconds[i], i + 1 == report->second_count, file);
    fprintf(file, "  ],\n  \"examples\": {");
    for (int fault = 1, some = 0; fault < FAULTS; fault++) {
        const char *example = engine_example(report->engine, (enum fault)fault);
        if (example[0] == '\0')
            continue;
        fprintf(file, some++ ? ", " : "");
        json_text(fault_names[fault], example, file);
    }
    fprintf(file, "}\n}\n");
}

/* --- CSV. --- */

static void csv_step(const struct report *report, int step, FILE *file)
{
    const struct load_result *result = report->results[step];
    const struct durations *durations = &result->measures.from_due;
    fprintf(
        file, "step,%d,%.3f,%.3f,%.3f,%llu,%llu,%llu,%llu", step + 1, (double)result->elapsed / 1e9,
        result->offered, result->achieved, (unsigned long long)result->measures.asked,
        (unsigned long long)result->measures.answered,
        (unsigned long long)measures_faults(&result->measures), (unsigned long long)result->unsent);
    for (size_t i = 0; i < PARTS; i++)
        fprintf(file, ",%lld", (long long)durations_quantile(durations, parts[i]));
    fprintf(file, ",%lld,%.1f\n", (long long)durations->max, durations_mean(durations));
}

static void csv_second(const struct second *second, FILE *file)
{
    double seconds = (double)second->length / 1e9;
    fprintf(file, "second,%d,%.3f,%.3f,%.3f,%llu,%llu,%llu,,%lld,,%lld,,,%lld,\n", second->step + 1,
            (double)second->end / 1e9, (double)second->asked / seconds,
            (double)second->answered / seconds, (unsigned long long)second->asked,
            (unsigned long long)second->answered, (unsigned long long)second->faults,
            (long long)second->p50, (long long)second->p99, (long long)second->max);
}

void report_csv(const struct report *report, FILE *file)
{
    fprintf(file, "row,step,at_s,offered_per_s,answered_per_s,asked,answered,errors,unsent,"
                  "p50_ns,p90_ns,p99_ns,p99.9_ns,p99.99_ns,max_ns,mean_ns\n");
    for (size_t i = 0; i < report->second_count; i++)
        csv_second(&report->seconds[i], file);
    for (int i = 0; i < report->count; i++)
        csv_step(report, i, file);
}
