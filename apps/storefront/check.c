/* What is claimed, measured.
 *
 *     a   1,000 pages a second at 20 ms a service: every one right, in time
 *     b   10,000 pages in flight at once in one thread, services in memory; bytes for each
 *     c   the same over TCP: as many as descriptors allow
 *     d   the shop of threads: 1,000 at once, then twice as many until it is refused
 *     e   a fast request beside 5,000 slow ones is as fast as alone
 *
 * Each figure is taken in a shop of its own, started for it, by clients in another process: this
 * one only looks. Pages are compared byte by byte; one wrong answer fails the row. */

#include "check.h"

#include "child.h"
#include "storefront.h"
#include "usage.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* Descriptors that a page in flight takes where services are reached by TCP: the client's
 * connection, and both ends of four. The program needs some of its own. */
#define FILES_PER_PAGE 9
#define FILES_ELSE     100

#define THREADS_PER_PAGE 9
#define LOOK_INTERVAL    (5 * WEFT_MILLISECOND)

/* How large each row is. */
struct sizes {
    int rate, pages;    /* a */
    int crowd;          /* b */
    int crowd_tcp_max;  /* c: not more, whatever descriptors allow */
    int threads_first;  /* d */
    int threads_max;    /* … and not beyond */
    int parked, probes; /* e */
    int64_t latency;    /* of a service, for crowds: longer than it takes to gather one */
};

static const struct sizes full = { 1000,  5000, 10000, 10000,          1000,
                                   10000, 5000, 2000,  2 * WEFT_SECOND };
static const struct sizes quick = { 200, 200, 300, 300, 50, 100, 200, 300, WEFT_SECOND };

/* --- A shop to measure. --- */

struct stand {
    struct board *board;
    int side;
    struct child shop, load;
    char address[STOREFRONT_ADDRESS_MAX];
};

static void set_latency(const struct stand *stand, int64_t latency)
{
    for (int i = 0; i < STOREFRONT_PARTS; i++)
        atomic_store(&stand->board->dials[i].latency, latency);
}

static int stand_open(struct stand *stand, int side, bool tcp, int64_t latency, int64_t deadline)
{
    const char *words[] = { side == SIDE_WEFT ? "weft" : "threads", tcp ? "tcp" : NULL, NULL };
    *stand = (struct stand){ .board = board_new(), .side = side };
    if (stand->board == NULL)
        return -errno;
    stand->board->deadline = deadline;
    set_latency(stand, latency);
    int err = child_start(&stand->shop, stand->board, words);
    return err < 0 ? err : child_address(&stand->shop, stand->address, sizeof stand->address);
}

static void stand_close(struct stand *stand)
{
    child_kill(&stand->load);
    child_kill(&stand->shop);
    board_free(stand->board);
}

static struct side *side_of(const struct stand *stand)
{
    return &stand->board->sides[stand->side];
}

/* What the clients are to do: see load.h; 0: not that. */
struct order {
    int rate, count, probe, probes, crowd;
};

static int start_load(const struct stand *stand, struct child *load, struct order order)
{
    static const char *const names[] = { "rate", "count", "probe", "probes", "crowd" };
    const int values[] = { order.rate, order.count, order.probe, order.probes, order.crowd };
    const char *words[CHILD_WORDS_MAX + 1] = { "load",
                                               stand->side == SIDE_WEFT ? "weft" : "threads",
                                               stand->address };
    char numbers[5][16];
    int count = 3;
    for (int i = 0; i < 5; i++) {
        if (values[i] == 0)
            continue;
        snprintf(numbers[i], sizeof numbers[i], "%d", values[i]);
        words[count++] = names[i];
        words[count++] = numbers[i];
    }
    return child_start(load, stand->board, words);
}

static bool has_ended(const struct child *child)
{
    siginfo_t info = { .si_pid = 0 };
    return waitid(P_PID, (id_t)child->process, &info, WEXITED | WNOHANG | WNOWAIT) < 0 ||
           info.si_pid != 0;
}

static void look_later(void)
{
    struct timespec time = { .tv_nsec = LOOK_INTERVAL };
    nanosleep(&time, NULL);
}

static uint64_t right_answers(const struct stand *stand)
{
    return atomic_load(&side_of(stand)->asked.outcomes[OUTCOME_WHOLE]);
}

/* --- The table. --- */

static bool all_hold = true;

static void WEFT_PRINTF(2, 3) begin_row(const char *name, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    printf("%s  ", name);
    vprintf(format, arguments);
    printf("\n");
    fflush(stdout);
    va_end(arguments);
}

static void WEFT_PRINTF(1, 2) tell(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    printf("   ");
    vprintf(format, arguments);
    printf("\n");
    fflush(stdout);
    va_end(arguments);
}

static void end_row(bool holds)
{
    tell("%s", holds ? "holds" : "DOES NOT HOLD");
    all_hold &= holds;
}

static double ms(int64_t ns)
{
    return (double)ns / (double)WEFT_MILLISECOND;
}

static double mib(int64_t bytes)
{
    return (double)bytes / (1 << 20);
}

/* --- a: a steady load. --- */

static void check_rate(const struct sizes *sizes)
{
    struct stand stand;
    struct tally tally;
    begin_row("a", "%d pages, %d a second; services take 20 ms, the deadline is 300 ms",
              sizes->pages, sizes->rate);
    int err = stand_open(&stand, SIDE_WEFT, false, 20 * WEFT_MILLISECOND, 300 * WEFT_MILLISECOND);
    if (err >= 0)
        err = start_load(&stand, &stand.load,
                         (struct order){ .rate = sizes->rate, .count = sizes->pages });
    if (err >= 0)
        child_wait(&stand.load);

    uint64_t right = err >= 0 ? right_answers(&stand) : 0;
    if (err >= 0) {
        struct usage usage = usage_of(stand.shop.process);
        histogram_copy(&side_of(&stand)->asked.latency, &tally);
        tell(
            "%llu right, p50 %.1f ms, p99 %.1f ms from when they were due; %.0f us of processor each",
            (unsigned long long)right, ms(tally_percentile(&tally, 50)),
            ms(tally_percentile(&tally, 99)), (double)usage.cpu / 1e3 / sizes->pages);
    }
    end_row(right == (uint64_t)sizes->pages);
    stand_close(&stand);
}

/* --- b, c, d: crowds. --- */

struct crowd {
    int size;
    uint64_t right;    /* answers */
    int64_t in_flight; /* at one time, as the gateway counts */
    int threads;       /* the most there were */
    int64_t resident;  /* bytes, likewise */
    int64_t grown;     /* by so many above the shop without a crowd */
    char trouble[TROUBLE_MAX];
};

static bool is_whole(const struct crowd *crowd)
{
    return crowd->right == (uint64_t)crowd->size && crowd->in_flight == crowd->size;
}

/* The first thing that went wrong, in words. */
static void find_trouble(const struct side *side, struct crowd *crowd)
{
    static const char *const calls[] = { "", "accept", "socket", "pthread_create", "an answer" };
    int refused = atomic_load(&side->refused), error = atomic_load(&side->refusal);
    if (atomic_load(&side->trouble_size) > 0)
        snprintf(crowd->trouble, sizeof crowd->trouble, "%.*s", atomic_load(&side->trouble_size),
                 side->trouble);
    else if (refused != REFUSED_NOTHING)
        snprintf(crowd->trouble, sizeof crowd->trouble, "%s: %s, errno %d", calls[refused],
                 strerror(error), error);
    else
        snprintf(crowd->trouble, sizeof crowd->trouble, "not all were there at one time");
}

/* Look on until the load has ended. */
static void watch_crowd(struct stand *stand, struct crowd *crowd)
{
    while (!has_ended(&stand->load)) {
        struct usage usage = usage_of(stand->shop.process);
        if (usage.threads > crowd->threads)
            crowd->threads = usage.threads;
        look_later();
    }
    child_wait(&stand->load);
}

static int gather(struct stand *stand, int64_t latency, struct crowd *crowd)
{
    int err = start_load(stand, &stand->load, (struct order){ .crowd = 1 }); /* what is made once */
    if (err < 0)
        return err;
    child_wait(&stand->load);
    set_latency(stand, latency);
    int64_t before = usage_of(stand->shop.process).resident;
    uint64_t right = right_answers(stand);
    err = start_load(stand, &stand->load, (struct order){ .crowd = crowd->size });
    if (err < 0)
        return err;
    watch_crowd(stand, crowd);
    crowd->resident = usage_of(stand->shop.process).resident_peak;
    crowd->grown = crowd->resident - before;
    crowd->right = right_answers(stand) - right;
    crowd->in_flight = atomic_load(&side_of(stand)->served.in_flight_max);
    return 0;
}

/* So many pages at once, in a shop that was made for them. */
static void run_crowd(int side, bool tcp, int size, int64_t latency, struct crowd *crowd)
{
    struct stand stand;
    *crowd = (struct crowd){ .size = size };
    int err = stand_open(&stand, side, tcp, 0, 10 * WEFT_SECOND);
    if (err >= 0)
        err = gather(&stand, latency, crowd);
    if (err < 0)
        snprintf(crowd->trouble, sizeof crowd->trouble, "%s", weft_error_text(err));
    else if (!is_whole(crowd))
        find_trouble(side_of(&stand), crowd);
    stand_close(&stand);
}

static void tell_crowd(const struct crowd *crowd)
{
    if (is_whole(crowd))
        tell("%d at once, all right: %d threads, %.0f MiB, %lld bytes for each page in flight",
             crowd->size, crowd->threads, mib(crowd->resident),
             (long long)(crowd->grown / crowd->size));
    else
        tell("%d at once: %llu right, %lld in flight; %d threads, %.0f MiB. Stopped by: %s",
             crowd->size, (unsigned long long)crowd->right, (long long)crowd->in_flight,
             crowd->threads, mib(crowd->resident), crowd->trouble);
}

/* The whole crowd, or what can be had of it by halves. */
static void check_weft_crowd(bool tcp, int size, int64_t latency)
{
    bool holds = true;
    for (int part = size; part >= size / 16 && part > 0; part /= 2) {
        struct crowd crowd;
        run_crowd(SIDE_WEFT, tcp, part, latency, &crowd);
        tell_crowd(&crowd);
        if (is_whole(&crowd))
            break;
        holds = false;
    }
    end_row(holds);
}

static void check_memory(const struct sizes *sizes)
{
    begin_row("b",
              "%d pages in flight at once, in one thread, services in memory; each takes %.0f s",
              sizes->crowd, ms(sizes->latency) / 1000);
    check_weft_crowd(false, sizes->crowd, sizes->latency);
}

static int64_t number_in(const char *path)
{
    char text[32] = "";
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return INT64_MAX;
    char *line = fgets(text, sizeof text, file);
    fclose(file);
    return line != NULL ? strtoll(line, NULL, 10) : INT64_MAX;
}

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* Descriptors: children raise their limit as far as they may. */
static int64_t files_limit(void)
{
    struct rlimit files = { 0 };
    getrlimit(RLIMIT_NOFILE, &files);
    return files.rlim_max > INT32_MAX ? INT32_MAX : (int64_t)files.rlim_max;
}

/* Pages that they allow at once. */
static int64_t tcp_limit(void)
{
    return (files_limit() - FILES_ELSE) / FILES_PER_PAGE;
}

static void check_tcp(const struct sizes *sizes)
{
    int64_t size = tcp_limit();
    bool bounded = size > sizes->crowd_tcp_max;
    size = bounded ? sizes->crowd_tcp_max : size;
    begin_row("c", "the same over TCP: %lld pages, as %lld descriptors allow at %d for each%s",
              (long long)size, (long long)files_limit(), FILES_PER_PAGE,
              bounded ? ", and more" : "");
    check_weft_crowd(true, (int)size, sizes->latency);
}

/* Whether a crowd leaves threads to the rest of the machine. Limits of the process alone stop it
 * before: descriptors, and mappings, of which a stack with its guard takes two. */
static bool is_bearable(int size)
{
    int64_t machine =
        least(number_in("/proc/sys/kernel/pid_max"), number_in("/proc/sys/kernel/threads-max"));
    int64_t threads = least(size, tcp_limit()) * THREADS_PER_PAGE;
    threads = least(threads, number_in("/proc/sys/vm/max_map_count") / 2);
    if (threads <= machine / 4 * 3)
        return true;
    tell("%d at once: not tried, since %lld threads would leave none of this machine's %lld", size,
         (long long)threads, (long long)machine);
    return false;
}

static void check_threads(const struct sizes *sizes)
{
    bool holds = false, goes_on = true;
    begin_row("d", "a thread for each connection: %d pages in flight, then twice as many",
              sizes->threads_first);
    for (int size = sizes->threads_first; size <= sizes->threads_max && goes_on; size *= 2) {
        struct crowd crowd;
        if (!is_bearable(size))
            break;
        run_crowd(SIDE_THREADS, true, size, sizes->latency, &crowd);
        tell_crowd(&crowd);
        tell("    and %.0f MiB in the kernel, 16 KiB for each thread",
             mib((int64_t)crowd.threads * (16 << 10)));
        goes_on = is_whole(&crowd);
        holds |= goes_on;
    }
    end_row(holds);
}

/* --- e: a fast request beside slow ones. --- */

/* p99 of GET /health, 1,000 a second: the best of three, since a machine has other things to do. */
static int64_t probe(struct stand *stand, int count)
{
    static struct tally before, fresh;
    int64_t best = INT64_MAX;
    for (int i = 0; i < 3; i++) {
        struct child load;
        histogram_copy(&side_of(stand)->health, &before);
        if (start_load(stand, &load, (struct order){ .probe = 1000, .probes = count / 3 }) < 0)
            return INT64_MAX;
        child_wait(&load);
        histogram_take(&side_of(stand)->health, &before, &fresh);
        best = least(best, tally_percentile(&fresh, 99));
    }
    return best;
}

/* Wait until all are in flight; false when the load has ended before. */
static bool await_crowd(struct stand *stand, int size)
{
    while (atomic_load(&side_of(stand)->served.in_flight) < size) {
        if (has_ended(&stand->load))
            return false;
        look_later();
    }
    return true;
}

/* Both figures, in one shop. Returns whether the claim holds. */
static bool compare_fast(const struct sizes *sizes)
{
    struct stand stand;
    int64_t alone = INT64_MAX, beside = INT64_MAX;
    int64_t latency = sizes->probes * WEFT_MILLISECOND + 2 * sizes->latency;
    int err = stand_open(&stand, SIDE_WEFT, false, latency, WEFT_MINUTE);
    if (err >= 0) {
        alone = probe(&stand, sizes->probes);
        err = start_load(&stand, &stand.load, (struct order){ .crowd = sizes->parked });
    }
    if (err >= 0 && await_crowd(&stand, sizes->parked)) {
        beside = probe(&stand, sizes->probes);
        child_wait(&stand.load);
    }
    uint64_t right = err >= 0 ? right_answers(&stand) : 0;
    if (beside < INT64_MAX)
        tell("%.2f ms alone, %.2f ms beside", ms(alone), ms(beside));
    if (right < (uint64_t)sizes->parked)
        tell("of the slow ones %llu were right", (unsigned long long)right);
    stand_close(&stand);
    return right == (uint64_t)sizes->parked && beside <= 2 * alone;
}

/* Whoever else uses the machine for a while hits one figure and not the other: so again, twice. */
static void check_fast(const struct sizes *sizes)
{
    bool holds = false;
    begin_row("e", "p99 of %d fast requests, alone and beside %d slow ones: at most twice",
              sizes->probes, sizes->parked);
    for (int i = 0; i < 3 && !holds; i++)
        holds = compare_fast(sizes);
    end_row(holds);
}

int check_main(bool is_quick)
{
    const struct sizes *sizes = is_quick ? &quick : &full;
    check_rate(sizes);
    check_memory(sizes);
    check_tcp(sizes);
    check_threads(sizes);
    check_fast(sizes);
    printf("%s\n", all_hold ? "all of it holds" : "not all of it holds");
    return all_hold ? EXIT_SUCCESS : EXIT_FAILURE;
}
