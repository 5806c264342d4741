#include "report.h"

#include "schedule.h"

#include <inttypes.h>
#include <string.h>

#define BAR      40
#define ROWS_MAX 40
#define TEXT     32
#define TARGETS  5

/* --- Units: three digits and a name. --- */

struct text {
    char chars[TEXT];
};

static struct text scaled(double number, const double *steps, const char *const *names, int count)
{
    struct text text;
    int unit = 0;
    while (unit + 1 < count && number >= steps[unit + 1] * 0.9995)
        unit++;
    double part = number / steps[unit];
    int digits = unit == 0 && part == (double)(int64_t)part ? 0
                 : part < 9.995                             ? 2
                 : part < 99.95                             ? 1
                                                            : 0;
    snprintf(text.chars, sizeof text.chars, "%.*f%s", digits, part, names[unit]);
    return text;
}

static struct text time_text(double ns)
{
    static const double steps[] = { 1, 1e3, 1e6, 1e9 };
    static const char *const names[] = { " ns", " us", " ms", " s" };
    return scaled(ns, steps, names, 4);
}

static struct text bytes_text(double bytes)
{
    static const double steps[] = { 1, 1e3, 1e6, 1e9 };
    static const char *const names[] = { " B", " kB", " MB", " GB" };
    return scaled(bytes, steps, names, 4);
}

/* 12,345,678 */
static struct text count_text(uint64_t count)
{
    struct text plain, text;
    int len = snprintf(plain.chars, sizeof plain.chars, "%" PRIu64, count), at = 0;
    for (int i = 0; i < len; i++) {
        if (i > 0 && (len - i) % 3 == 0)
            text.chars[at++] = ',';
        text.chars[at++] = plain.chars[i];
    }
    text.chars[at] = '\0';
    return text;
}

static struct text rate_text(double rate)
{
    struct text text = count_text((uint64_t)(rate + 0.5));
    if (rate < 100)
        snprintf(text.chars, sizeof text.chars, "%.1f", rate);
    strcat(text.chars, "/s");
    return text;
}

/* --- For people. --- */

static void tell_row(FILE *file, const char *name, const struct load_histogram *histogram)
{
    static const double parts[] = { 0.5, 0.9, 0.99, 0.999, 1 };
    fprintf(file, "  %-13s", name);
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        fprintf(file, "%10s",
                time_text((double)load_histogram_quantile(histogram, parts[i])).chars);
    fprintf(file, "%10s%10s\n", time_text(load_histogram_mean(histogram)).chars,
            time_text(load_histogram_deviation(histogram)).chars);
}

static void tell_latencies(FILE *file, const struct load_result *result, bool is_open)
{
    fprintf(file, "\n  %-13s%10s%10s%10s%10s%10s%10s%10s\n", "latency", "p50", "p90", "p99",
            "p99.9", "max", "mean", "stdev");
    tell_row(file, is_open ? "since due" : "since sent", &result->latency);
    if (is_open)
        tell_row(file, "since sent", &result->service);
    if (is_open)
        tell_row(file, "generator", &result->late);
}

/* The next of 1, 2, 5, 10 ... */
static int64_t next_edge(int64_t edge)
{
    int64_t power = 1;
    while (power * 10 <= edge)
        power *= 10;
    return edge == power ? 2 * power : edge == 2 * power ? 5 * power : 10 * power;
}

/* One row up to each edge; the last row has the longest. */
static void tell_picture(FILE *file, const struct load_histogram *histogram)
{
    uint64_t rows[ROWS_MAX] = { 0 }, most = 0;
    int64_t edges[ROWS_MAX];
    int count = 0, row = 0;
    for (int64_t edge = 1; count < ROWS_MAX; edge = next_edge(edge))
        edges[count++] = edge;
    for (int i = 0; i < LOAD_HISTOGRAM_BUCKETS; i++) {
        while (row + 1 < ROWS_MAX && load_histogram_bucket_start(i) > edges[row])
            row++;
        rows[row] += histogram->counts[i];
    }
    int first = 0, last = ROWS_MAX - 1;
    while (first < last && rows[first] == 0)
        first++;
    while (last > first && rows[last] == 0)
        last--;
    for (int i = first; i <= last; i++)
        most = rows[i] > most ? rows[i] : most;
    fputc('\n', file);
    for (int i = first; i <= last && most > 0; i++) {
        double part = (double)rows[i] / (double)histogram->total;
        int length = (int)((double)rows[i] / (double)most * BAR + 0.5);
        fprintf(file, "  up to %8s %7.3f %% |%.*s\n", time_text((double)edges[i]).chars, 100 * part,
                length, "########################################");
    }
}

static void tell_errors(FILE *file, const struct load_result *result)
{
    if (load_result_failed(result) == 0)
        return;
    fprintf(file, "\n  wrong: %s\n", count_text(load_result_failed(result)).chars);
    for (int i = 0; i < LOAD_ERRORS; i++)
        if (result->errors[i] > 0)
            fprintf(file, "  %-13s%10s   %s\n", load_error_name(i),
                    count_text(result->errors[i]).chars, result->example[i]);
}

static void tell_plan(FILE *file, const struct load_report *report, int step)
{
    const struct load_options *options = report->options;
    const struct load_step *rates = &options->steps[step];
    if (rates->rate == 0)
        fputs("closed loop", file);
    else if (rates->rate == rates->rate_end)
        fprintf(file, "open loop, %s", rate_text(rates->rate).chars);
    else
        fprintf(file, "open loop, %s to %s", rate_text(rates->rate).chars,
                rate_text(rates->rate_end).chars);
    fprintf(file, "%s, %d connection%s", options->plan.is_poisson ? " at random" : "",
            options->setup.connections, options->setup.connections == 1 ? "" : "s");
    if (options->setup.pipeline > 1)
        fprintf(file, " of %d requests", options->setup.pipeline);
    if (options->setup.churns)
        fputs(", one exchange each", file);
    fputc('\n', file);
}

static void tell_targets(FILE *file, const struct load_report *report)
{
    for (int i = 0; i < report->target_count && i < TARGETS; i++) {
        const struct load_target *target = &report->targets[i];
        fprintf(file, "  %s", target->url);
        if (target->expected.status != 0)
            fprintf(file, "  status %d,", target->expected.status);
        fprintf(file, "  %s\n", bytes_text((double)target->expected.length).chars);
    }
    if (report->target_count > TARGETS)
        fprintf(file, "  and %d more\n", report->target_count - TARGETS);
}

static void tell_counts(FILE *file, const struct load_result *result, bool is_open)
{
    double seconds = (double)result->elapsed / LOAD_SECOND;
    fprintf(file, "\n  %-13s%s right", "answers", count_text(result->right).chars);
    fprintf(file, ", %s wrong, of %s requests in %s\n",
            count_text(load_result_failed(result)).chars, count_text(result->due).chars,
            time_text((double)result->elapsed).chars);
    fprintf(file, "  %-13s%s right answers", "rate", rate_text(result->achieved).chars);
    if (is_open)
        fprintf(file, ", %s offered", rate_text(result->offered).chars);
    fprintf(file, "\n  %-13s%s in, %s out; %s/s in\n", "bytes",
            bytes_text((double)result->bytes_in).chars, bytes_text((double)result->bytes_out).chars,
            bytes_text(seconds > 0 ? (double)result->bytes_in / seconds : 0).chars);
    if (is_open)
        fprintf(file, "  %-13sat most %s requests were due and without a connection\n", "waiting",
                count_text(result->waiting_max).chars);
    fprintf(file, "  %-13s%s opened, %s requests sent again\n", "connections",
            count_text(result->connects).chars, count_text(result->retried).chars);
    fprintf(file, "  %-13s%.0f %% of a CPU, %s a request%s\n", "this program",
            result->elapsed > 0 ? 100 * (double)result->cpu / (double)result->elapsed : 0,
            time_text(result->due > 0 ? (double)result->cpu / (double)result->due : 0).chars,
            is_open ? ", waiting for due times included" : "");
}

/* A generator that is itself the limit measures itself. */
static void tell_doubt(FILE *file, const struct load_report *report,
                       const struct load_result *result, bool is_open)
{
    int64_t late = load_histogram_quantile(&result->late, 0.99);
    if (is_open && late > LOAD_SECOND / 1000)
        fprintf(file,
                "\n  Beware: this program noticed 1 %% of the due times more than %s late. It had\n"
                "  not enough CPU; the latencies are too long by that.\n",
                time_text((double)late).chars);
    if (report->ceiling != NULL && result->achieved > 0.8 * report->ceiling->achieved)
        fputs("\n  Beware: this is near the ceiling. The server may be quicker than this.\n", file);
}

void load_report_ceiling(FILE *file, const struct load_result *ceiling)
{
    fprintf(file, "ceiling: %s, %s of CPU a request, against a server that does nothing\n",
            rate_text(ceiling->achieved).chars,
            time_text(ceiling->due > 0 ? (double)ceiling->cpu / (double)ceiling->due : 0).chars);
}

void load_report_text(FILE *file, const struct load_report *report)
{
    for (int i = 0; i < report->count; i++) {
        const struct load_result *result = report->results[i];
        bool is_open = report->options->steps[i].rate > 0;
        if (i > 0)
            fputc('\n', file);
        tell_plan(file, report, i);
        if (i == 0)
            tell_targets(file, report);
        tell_counts(file, result, is_open);
        if (result->latency.total > 0) {
            tell_latencies(file, result, is_open);
            tell_picture(file, &result->latency);
        }
        tell_errors(file, result);
        tell_doubt(file, report, result, is_open);
    }
}

/* --- JSON. Times are nanoseconds. --- */

static void json_string(FILE *file, const char *text)
{
    fputc('"', file);
    for (; *text != '\0'; text++) {
        unsigned char c = (unsigned char)*text;
        if (c == '"' || c == '\\')
            fprintf(file, "\\%c", c);
        else if (c < 0x20 || c >= 0x7f) /* what it was encoded in is not known */
            fprintf(file, "\\u%04x", c);
        else
            fputc(c, file);
    }
    fputc('"', file);
}

static void json_histogram(FILE *file, const char *name, const struct load_histogram *histogram)
{
    fprintf(file,
            ",\n      \"%s\": {\"count\": %" PRIu64 ", \"min\": %" PRId64 ", \"p50\": %" PRId64
            ", \"p90\": %" PRId64 ", \"p99\": %" PRId64 ", \"p99.9\": %" PRId64
            ", \"max\": %" PRId64 ", \"mean\": %.1f, \"stdev\": %.1f}",
            name, histogram->total, histogram->min, load_histogram_quantile(histogram, 0.5),
            load_histogram_quantile(histogram, 0.9), load_histogram_quantile(histogram, 0.99),
            load_histogram_quantile(histogram, 0.999), histogram->max,
            load_histogram_mean(histogram), load_histogram_deviation(histogram));
}

static void json_errors(FILE *file, const struct load_result *result)
{
    fputs(",\n      \"errors\": {", file);
    for (int i = 0; i < LOAD_ERRORS; i++)
        fprintf(file, "%s\"%s\": %" PRIu64, i > 0 ? ", " : "", load_error_name(i),
                result->errors[i]);
    fputs("},\n      \"examples\": {", file);
    const char *comma = "";
    for (int i = 0; i < LOAD_ERRORS; i++) {
        if (result->errors[i] == 0)
            continue;
        fprintf(file, "%s\"%s\": ", comma, load_error_name(i));
        json_string(file, result->example[i]);
        comma = ", ";
    }
    fputc('}', file);
}

static void json_result(FILE *file, const struct load_step *step, const struct load_result *result)
{
    fprintf(file, "    {\"mode\": \"%s\", ", step->rate > 0 ? "open" : "closed");
    if (step->rate > 0)
        fprintf(file, "\"rate\": %.10g, \"rate_end\": %.10g, ", step->rate, step->rate_end);
    fprintf(file,
            "\"elapsed\": %" PRId64 ", \"due\": %" PRIu64 ", \"sent\": %" PRIu64
            ",\n      \"right\": %" PRIu64 ", \"wrong\": %" PRIu64 ", \"retried\": %" PRIu64
            ", \"connects\": %" PRIu64 ", \"waiting_max\": %" PRIu64
            ",\n      \"bytes_in\": %" PRIu64 ", \"bytes_out\": %" PRIu64
            ", \"offered\": %.3f, \"achieved\": %.3f, \"cpu\": %" PRId64,
            result->elapsed, result->due, result->sent, result->right, load_result_failed(result),
            result->retried, result->connects, result->waiting_max, result->bytes_in,
            result->bytes_out, result->offered, result->achieved, result->cpu);
    json_histogram(file, "latency", &result->latency);
    if (step->rate > 0) {
        json_histogram(file, "service", &result->service);
        json_histogram(file, "late", &result->late);
    }
    json_errors(file, result);
    fputc('}', file);
}

void load_report_json(FILE *file, const struct load_report *report)
{
    const struct load_options *options = report->options;
    fprintf(file,
            "{\"program\": \"weft-load %s\",\n  \"connections\": %d, \"pipeline\": %d, "
            "\"close\": %s,\n  \"targets\": [",
            LOAD_VERSION, options->setup.connections, options->setup.pipeline,
            options->setup.churns ? "true" : "false");
    for (int i = 0; i < report->target_count; i++) {
        const struct load_target *target = &report->targets[i];
        fprintf(file, "%s\n    {\"url\": ", i > 0 ? "," : "");
        json_string(file, target->url);
        fprintf(file, ", \"weight\": %.10g, \"status\": %d, \"length\": %" PRIu64 "}",
                target->weight, target->expected.status, target->expected.length);
    }
    fputs("],\n", file);
    if (report->ceiling != NULL)
        fprintf(file, "  \"ceiling\": %.3f,\n", report->ceiling->achieved);
    fputs("  \"steps\": [\n", file);
    for (int i = 0; i < report->count; i++) {
        fputs(i > 0 ? ",\n" : "", file);
        json_result(file, &options->steps[i], report->results[i]);
    }
    fputs("]}\n", file);
}

/* --- CSV: a line for each step. Times are microseconds. --- */

static void csv_times(FILE *file, const struct load_histogram *histogram)
{
    static const double parts[] = { 0.5, 0.9, 0.99, 0.999, 1 };
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        fprintf(file, ",%.3f", (double)load_histogram_quantile(histogram, parts[i]) / 1e3);
}

static void csv_result(FILE *file, const struct load_options *options, const struct load_step *step,
                       const struct load_result *result)
{
    fprintf(file,
            "%s,%.10g,%.10g,%d,%d,%.6f,%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",%" PRIu64
            ",%.3f,%.3f,%" PRIu64 ",%.3f",
            step->rate > 0 ? "open" : "closed", step->rate, step->rate_end,
            options->setup.connections, options->setup.pipeline,
            (double)result->elapsed / LOAD_SECOND, result->due, result->sent, result->right,
            load_result_failed(result), result->offered, result->achieved, result->waiting_max,
            result->due > 0 ? (double)result->cpu / (double)result->due / 1e3 : 0);
    csv_times(file, &result->latency);
    fprintf(file, ",%.3f,%.3f", load_histogram_mean(&result->latency) / 1e3,
            load_histogram_deviation(&result->latency) / 1e3);
    csv_times(file, &result->service);
    csv_times(file, &result->late);
    for (int i = 0; i < LOAD_ERRORS; i++)
        fprintf(file, ",%" PRIu64, result->errors[i]);
    fputc('\n', file);
}

void load_report_csv(FILE *file, const struct load_report *report)
{
    fputs("mode,rate,rate_end,connections,pipeline,seconds,due,sent,right,wrong,offered,achieved,"
          "waiting_max,cpu_us,p50_us,p90_us,p99_us,p999_us,max_us,mean_us,stdev_us,sent_p50_us,"
          "sent_p90_us,sent_p99_us,sent_p999_us,sent_max_us,late_p50_us,late_p90_us,late_p99_us,"
          "late_p999_us,late_max_us",
          file);
    for (int i = 0; i < LOAD_ERRORS; i++)
        fprintf(file, ",%s", load_error_name(i));
    fputc('\n', file);
    for (int i = 0; i < report->count; i++)
        csv_result(file, report->options, &report->options->steps[i], report->results[i]);
}

/* --- While it runs. --- */

void load_progress_show(void *context, const struct load_result *so_far)
{
    struct load_progress *progress = context;
    if (so_far->elapsed < progress->elapsed) { /* the next step */
        load_histogram_clear(&progress->before);
        progress->right = 0;
        progress->elapsed = 0;
    }
    double seconds = (double)(so_far->elapsed - progress->elapsed) / LOAD_SECOND;
    load_histogram_since(&so_far->latency, &progress->before, &progress->fresh);
    fprintf(progress->file, "\r\033[K%5.0f s  %12s  p50 %s  p99 %s  max %s",
            (double)so_far->elapsed / LOAD_SECOND,
            rate_text((double)(so_far->right - progress->right) / seconds).chars,
            time_text((double)load_histogram_quantile(&progress->fresh, 0.5)).chars,
            time_text((double)load_histogram_quantile(&progress->fresh, 0.99)).chars,
            time_text((double)progress->fresh.max).chars);
    if (so_far->waiting > 0)
        fprintf(progress->file, "  waiting %s", count_text(so_far->waiting).chars);
    if (load_result_failed(so_far) > 0)
        fprintf(progress->file, "  wrong %s", count_text(load_result_failed(so_far)).chars);
    fflush(progress->file);
    progress->before = so_far->latency;
    progress->right = so_far->right;
    progress->elapsed = so_far->elapsed;
    progress->shows = true;
}

void load_progress_clear(struct load_progress *progress)
{
    if (progress->shows)
        fputs("\r\033[K", progress->file);
    progress->shows = false;
}
