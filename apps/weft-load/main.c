/* weft-load: a load generator. The command line is in options.c, the work in the engine, the words
 * in report.c; this is what holds them together. */

#include "ceiling.h"
#include "null.h"
#include "report.h"
#include "schedule.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#define EXIT_WRONG   1
#define EXIT_USAGE   2
#define WHY          512
#define FILES_SPARE  32 /* descriptors that are no connections */
#define CEILING_TIME LOAD_SECOND

static volatile sig_atomic_t stop;

static void on_signal(int signal)
{
    (void)signal;
    stop = 1;
}

static void catch_signals(void)
{
    struct sigaction action = { .sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND };
    sigaction(SIGINT, &action, NULL); /* the second one ends at once */
    sigaction(SIGTERM, &action, NULL);
    signal(SIGPIPE, SIG_IGN);
}

static int complain(const char *why)
{
    fprintf(stderr, "weft-load: %s\n", why);
    return EXIT_WRONG;
}

/* As many descriptors as one may have. */
static int raise_limit(int connections)
{
    char why[WHY];
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    getrlimit(RLIMIT_NOFILE, &limit);
    if (limit.rlim_cur >= (rlim_t)connections + FILES_SPARE)
        return 0;
    snprintf(why, sizeof why,
             "%d connections need %d descriptors, and this process may have %llu: ulimit -Hn, or "
             "fewer --connections",
             connections, connections + FILES_SPARE, (unsigned long long)limit.rlim_cur);
    return complain(why);
}

static int run_null(const struct load_options *options)
{
    char name[64], why[WHY];
    const char *address = options->null_address;
    bool echoes = address != NULL && strncmp(address, "echo://", 7) == 0;
    if (address != NULL && strstr(address, "://") != NULL)
        address = strstr(address, "://") + 3;
    int listener = load_null_listen(address, name, sizeof name, why, sizeof why);
    if (listener < 0)
        return complain(why);
    printf("%s://%s\n", echoes ? "echo" : "http", name);
    fflush(stdout);
    int err = load_null_serve(listener, echoes, &stop);
    close(listener);
    return err < 0 ? complain(strerror(-err)) : 0;
}

/* --- Results. --- */

static int write_file(const char *name, const struct load_report *report,
                      void (*write)(FILE *file, const struct load_report *report))
{
    bool is_standard = strcmp(name, "-") == 0;
    FILE *file = is_standard ? stdout : fopen(name, "w");
    if (file == NULL) {
        fprintf(stderr, "weft-load: %s: %s\n", name, strerror(errno));
        return EXIT_WRONG;
    }
    write(file, report);
    bool good = fflush(file) == 0 && !ferror(file);
    if (!is_standard && fclose(file) != 0)
        good = false;
    return good ? 0 : complain("the results could not be written");
}

/* The summary goes where no results for programs go. */
static int tell(const struct load_options *options, const struct load_report *report)
{
    bool is_taken = (options->json != NULL && strcmp(options->json, "-") == 0) ||
                    (options->csv != NULL && strcmp(options->csv, "-") == 0);
    int status = 0;
    if (!options->quiet)
        load_report_text(is_taken ? stderr : stdout, report);
    if (options->json != NULL)
        status |= write_file(options->json, report, load_report_json);
    if (options->csv != NULL)
        status |= write_file(options->csv, report, load_report_csv);
    for (int i = 0; i < report->count; i++)
        status |= load_result_failed(report->results[i]) > 0;
    return status;
}

/* --- Runs. --- */

struct session {
    struct load_options options;
    struct load_target *targets;
    int target_count;
    struct load_engine *engine;
    struct load_result *results[LOAD_STEPS_MAX];
    int count;
    struct load_result *ceiling;
    struct load_progress *progress;
};

static int init_targets(struct session *session)
{
    char why[WHY];
    const struct load_options *options = &session->options;
    session->targets = calloc((size_t)options->url_count, sizeof *session->targets);
    if (session->targets == NULL)
        return complain("out of memory");
    for (int i = 0; i < options->url_count; i++) {
        session->target_count++;
        if (load_target_init(&session->targets[i], options->urls[i], &options->message, why,
                             sizeof why) < 0) {
            complain(why);
            return EXIT_USAGE;
        }
    }
    return 0;
}

static int find_ceiling(struct session *session)
{
    char why[WHY];
    const struct load_options *options = &session->options;
    bool echoes = options->url_count > 0 && strncmp(options->urls[0], "echo://", 7) == 0;
    struct load_setup setup = options->setup;
    setup.stop = &stop;
    session->ceiling = calloc(1, sizeof *session->ceiling);
    if (session->ceiling == NULL)
        return complain("out of memory");
    if (load_ceiling(&setup, &options->message, echoes, CEILING_TIME, session->ceiling, why,
                     sizeof why) < 0)
        return complain(why);
    if (!options->quiet)
        load_report_ceiling(options->mode == LOAD_MODE_CEILING ? stdout : stderr, session->ceiling);
    return 0;
}

static int run_step(struct session *session, const struct load_step *step)
{
    struct load_plan plan = session->options.plan;
    struct load_result *result = calloc(1, sizeof *result);
    if (result == NULL)
        return complain("out of memory");
    plan.rate = step->rate;
    plan.rate_end = step->rate_end;
    if (session->progress != NULL) {
        plan.progress = load_progress_show;
        plan.context = session->progress;
    }
    session->results[session->count++] = result;
    load_engine_run(session->engine, &plan, result);
    if (session->progress != NULL)
        load_progress_clear(session->progress);
    return 0;
}

static int warm_up(struct session *session)
{
    if (session->options.warm_up == 0)
        return 0;
    struct load_result *result = calloc(1, sizeof *result);
    const struct load_step *step = &session->options.steps[0];
    struct load_plan plan = { .duration = session->options.warm_up, .rate = step->rate };
    if (result == NULL)
        return complain("out of memory");
    load_engine_run(session->engine, &plan, result);
    free(result);
    return 0;
}

static int run(struct session *session)
{
    char why[WHY];
    struct load_options *options = &session->options;
    options->setup.stop = &stop;
    session->engine =
        load_engine_open(&options->setup, session->targets, session->target_count, why, sizeof why);
    if (session->engine == NULL)
        return complain(why);
    if (options->plan.ramp_up == 0 && load_engine_connect(session->engine, why, sizeof why) < 0)
        return complain(why);
    int status = warm_up(session);
    for (int i = 0; i < options->step_count && status == 0 && !stop; i++)
        status = run_step(session, &options->steps[i]);
    return status;
}

static void open_progress(struct session *session)
{
    if (session->options.quiet || !isatty(STDERR_FILENO))
        return;
    session->progress = calloc(1, sizeof *session->progress);
    if (session->progress != NULL)
        session->progress->file = stderr;
}

static void end_session(struct session *session)
{
    if (session->engine != NULL)
        load_engine_close(session->engine);
    for (int i = 0; i < session->target_count; i++)
        load_target_free(&session->targets[i]);
    for (int i = 0; i < session->count; i++)
        free(session->results[i]);
    free(session->targets);
    free(session->ceiling);
    free(session->progress);
}

static int generate(struct session *session)
{
    int status = raise_limit(session->options.setup.connections);
    if (status == 0 && session->options.ceiling)
        status = find_ceiling(session);
    if (status != 0 || session->options.mode == LOAD_MODE_CEILING)
        return status;
    open_progress(session);
    status = init_targets(session);
    if (status == 0)
        status = run(session);
    struct load_report report = { .options = &session->options,
                                  .targets = session->targets,
                                  .target_count = session->target_count,
                                  .results = (const struct load_result *const *)session->results,
                                  .count = session->count,
                                  .ceiling = session->ceiling };
    return session->count > 0 ? status | tell(&session->options, &report) : status;
}

int main(int argc, char **argv)
{
    static struct session session;
    int status = load_options_read(&session.options, argc, argv);
    if (status != 0 || session.options.mode == LOAD_MODE_NOTHING)
        return status;
    catch_signals();
    prctl(PR_SET_TIMERSLACK, 1L); /* sleep as short as asked */
    status =
        session.options.mode == LOAD_MODE_NULL ? run_null(&session.options) : generate(&session);
    end_session(&session);
    return status;
}
