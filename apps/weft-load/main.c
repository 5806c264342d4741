/* weft-load: how long a server takes to answer, under a load of one's choice.
 *
 *     options --> targets --> engine: learn --> ceiling --> connect --> a run for each step -->
 * report
 *
 * The parts below the program are a library that the storefront and the bench link too: engine.h
 * and run.h. */

#include "ceiling.h"
#include "null.h"
#include "options.h"
#include "report.h"
#include "run.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#define FILES_RESERVED 16 /* descriptors that are no connections */
#define CEILING_TIME   INT64_C(1000000000)

static volatile sig_atomic_t stopped;

static void on_interrupt(int signal)
{
    (void)signal;
    stopped = stopped < 2 ? stopped + 1 : 2;
}

static int fail(const char *what)
{
    fprintf(stderr, "weft-load: %s\n", what);
    return 1;
}

/* --- The machine. --- */

/* As many descriptors as there may be. */
static int raise_files(int connections)
{
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) < 0)
        return 0;
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    if (files.rlim_max == RLIM_INFINITY || (rlim_t)connections + FILES_RESERVED <= files.rlim_max)
        return 0;
    fprintf(stderr,
            "weft-load: %d connections need %d descriptors, and this process may have %llu; "
            "'ulimit -Hn', or the limits of the account, has to give more\n",
            connections, connections + FILES_RESERVED, (unsigned long long)files.rlim_max);
    return 1;
}

static int run_null(const struct options *options)
{
    char why[TARGET_TEXT_MAX];
    const char *url = options->target_count > 0 ? options->urls[0] : "http://127.0.0.1:0";
    if (raise_files(0) != 0)
        return 1;
    struct null *null = null_open(url, options->request.size, why);
    if (null == NULL)
        return fail(why);
    puts(null_url(null));
    fflush(stdout);
    int err = null_serve(null);
    null_close(null);
    return fail(strerror(-err));
}

/* --- Running. --- */

static struct engine_options engine_options_of(const struct options *options)
{
    int every = options->check == CHECK_BODY ? options->check_every : -1;
    return (struct engine_options){ .targets = options->targets,
                                    .target_count = options->target_count,
                                    .connections = options->connections,
                                    .pipeline = options->pipeline,
                                    .timeout = options->timeout,
                                    .check_every = every,
                                    .close = options->request.close };
}

/* What the first answers have told, less what is not to be checked. */
static int learn(struct engine *engine, const struct options *options)
{
    char why[TARGET_TEXT_MAX];
    if (engine_learn(engine, options->check == CHECK_BODY, why) < 0)
        return fail(why);
    for (int i = 0; i < options->target_count; i++) {
        struct expectation *expected = &options->targets[i].expected;
        if (expected->status >= 400 && options->expect_status == 0) {
            fprintf(
                stderr,
                "weft-load: %s: the answer is a %d; --expect-status %d says that it has to be\n",
                options->targets[i].url, expected->status, expected->status);
            return 1;
        }
        if (options->check >= CHECK_STATUS)
            expected->size = TARGET_ANY_SIZE;
        if (options->check == CHECK_NONE)
            expected->status = 0;
    }
    return 0;
}

/* With answers as long as those that were learned. */
static int find_ceiling(const struct options *options, struct ceiling *ceiling)
{
    char why[TARGET_TEXT_MAX];
    const struct engine_options engine = engine_options_of(options);
    const struct expectation *expected = &options->targets[0].expected;
    size_t size =
        expected->size <= TARGET_BODY_MAX ? (size_t)expected->size : options->request.size;
    bool live = !options->quiet && isatty(STDERR_FILENO);
    fputs(live ? "looking for the ceiling" : "", stderr);
    int err = ceiling_find(&engine, size, CEILING_TIME, ceiling, why);
    fputs(live ? "\r\033[K" : "", stderr);
    return err < 0 ? fail(why) : 0;
}

/* All connections, where they are to stay. */
static void gather(struct engine *engine, const struct options *options)
{
    if (options->request.close || options->ramp > 0)
        return;
    engine_gather(engine);
    while (engine_is_gathering(engine))
        engine_turn(engine, engine_now() + 10000000);
    int missing = engine_connection_count(engine) - engine_open_count(engine);
    if (missing > 0)
        fprintf(stderr, "weft-load: %d of %d connections could not be made: %s\n", missing,
                engine_connection_count(engine), strerror(engine_connect_error(engine)));
}

static void run_step(struct engine *engine, const struct options *options, int step,
                     struct report *report)
{
    struct load_run run = {
        .requests = options->requests,
        .duration = options->requests > 0 ? 0 : options->duration,
        .rate = options->steps[step].from,
        .rate_end = options->steps[step].to,
        .seed = options->seed,
        .ramp = options->ramp,
        .spin = options->spin,
        .give_up = options->timeout,
        .stop = &stopped,
    };
    struct load_result *result = report->results[step];
    if (options->warm_up > 0 && step == 0) {
        struct load_run warm = run;
        warm.requests = 0;
        warm.duration = options->warm_up;
        warm.rate_end = warm.rate;
        load_run(engine, &warm, result);
    }
    run.tick = report_second;
    run.context = report;
    report->step_time = 0;
    load_run(engine, &run, result);
}

static int run_all(struct engine *engine, const struct options *options, struct report *report)
{
    int steps = options->step_count > 0 ? options->step_count : 1;
    struct sigaction action = { .sa_handler = on_interrupt };
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    prctl(PR_SET_TIMERSLACK, 1UL);
    while (report->count < steps && !stopped) {
        report->results[report->count] = malloc(sizeof(struct load_result));
        if (report->results[report->count] == NULL)
            return fail("out of memory");
        run_step(engine, options, report->count, report);
        report->count++;
    }
    report_end_line(report);
    return 0;
}

/* --- Reporting. --- */

static int write_file(const struct report *report, const char *path,
                      void (*write)(const struct report *report, FILE *file))
{
    bool is_stdout = strcmp(path, "-") == 0;
    FILE *file = is_stdout ? stdout : fopen(path, "w");
    if (file != NULL)
        write(report, file);
    bool good = file != NULL && !ferror(file) && fflush(file) == 0;
    if (!good)
        fprintf(stderr, "weft-load: %s: %s\n", path, strerror(errno));
    if (file != NULL && !is_stdout && fclose(file) != 0 && good)
        return fail("a file could not be written");
    return good ? 0 : 1;
}

static bool is_dash(const char *path)
{
    return path != NULL && strcmp(path, "-") == 0;
}

static int report_all(const struct report *report)
{
    const struct options *options = report->options;
    int status = report_faults(report) > 0;
    bool is_taken = is_dash(options->json) || is_dash(options->csv);
    if (!options->quiet)
        report_summary(report, is_taken ? stderr : stdout);
    if (options->json != NULL)
        status |= write_file(report, options->json, report_json);
    if (options->csv != NULL)
        status |= write_file(report, options->csv, report_csv);
    return status;
}

static int run(struct options *options)
{
    struct report report = { .options = options, .live = !options->quiet && isatty(STDERR_FILENO) };
    const struct engine_options engine_options = engine_options_of(options);
    struct engine *engine = engine_new(&engine_options);
    if (engine == NULL)
        return fail(strerror(errno));
    options->connections = engine_connection_count(engine);
    report.engine = engine;
    int status = learn(engine, options);
    if (status == 0 && options->ceiling)
        status = find_ceiling(options, &report.ceiling);
    if (status == 0) {
        gather(engine, options);
        status = run_all(engine, options, &report);
    }
    if (status == 0 && report.count > 0)
        status = report_all(&report);
    for (int i = 0; i < report.count; i++)
        free(report.results[i]);
    free(report.seconds);
    engine_free(engine);
    return status;
}

/* Nobody else is asked. */
static int run_ceiling(const struct options *options)
{
    struct ceiling ceiling;
    int status = find_ceiling(options, &ceiling);
    if (status == 0)
        report_ceiling(&ceiling, stdout);
    return status;
}

static int ask(struct options *options)
{
    bool is_alone = options->target_count == 0;
    if (is_alone && options_add_url(options, "http://127.0.0.1") > 0)
        return 1;
    if (options_resolve(options) > 0)
        return 2;
    if (raise_files(options->connections) != 0)
        return 1;
    return is_alone ? run_ceiling(options) : run(options);
}

int main(int count, char **words)
{
    struct options options;
    int status = options_read(&options, count, words);
    if (status < 0)
        status = options.is_null ? run_null(&options) : ask(&options);
    options_free(&options);
    return status;
}
