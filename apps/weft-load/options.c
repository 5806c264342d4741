#include "options.h"

#include "weft/define.h"

#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define USAGE 2 /* the exit status of who does not know what is meant */

static const char help[] =
    "usage: weft-load [OPTION...] URL[=WEIGHT]...\n"
    "       weft-load --null [URL]        serve the least there is, to find the ceiling\n"
    "\n"
    "Ask, see how long the answers take, and look at each of them. Without a rate each connection\n"
    "asks when it was answered (closed loop); with one, requests are due at their times whatever\n"
    "became of those before, and latency counts from there (open loop). One thread.\n"
    "\n"
    "  http://HOST[:PORT]/PATH  unix:/SOCKET[:/PATH]  echo://HOST:PORT  echo+unix:/SOCKET\n"
    "  redis://HOST[:PORT]/WORD/...  redis+unix:/SOCKET[:/WORD/...]   a command, word by word\n"
    "\n"
    "how much\n"
    "  -c, --connections N      50\n"
    "  -t, --duration TIME      10s; of each step\n"
    "  -n, --requests N         closed loop: so many, however long it takes\n"
    "  -r, --rate R             open loop: R a second, 1000 or 2.5k\n"
    "             R..S          ... from R to S, linearly\n"
    "             R,S,T         ... in steps: a table of latency over load\n"
    "      --poisson[=SEED]     arrivals at random around that rate\n"
    "  -p, --pipeline N         requests under way on a connection: 1\n"
    "      --warm-up TIME       before anything counts\n"
    "      --ramp-connections TIME   from one to all in so long\n"
    "\n"
    "what\n"
    "  -X, --method NAME        GET; POST with a body\n"
    "  -H, --header LINE        'Name: value', again and again\n"
    "      --header-file FILE   such lines\n"
    "  -d, --data TEXT|@FILE    the body; of an echo, its bytes; of a command, its\n"
    "                           last word\n"
    "      --size N             bytes of an echo, or of --null's answers: 64\n"
    "      --close              one exchange on each connection\n"
    "      --targets FILE       lines of URL [WEIGHT]; asked in turn, as often as they weigh\n"
    "\n"
    "what is right: what is like the first answer of its URL, unless it is said\n"
    "      --expect-status N\n"
    "      --expect-body TEXT|@FILE\n"
    "      --check WHAT         body, size, status or none; status and size include no body\n"
    "      --check-every N      compare the body of every N-th answer only\n"
    "      --timeout TIME       10s\n"
    "\n"
    "what is said\n"
    "      --json FILE|-        all of it\n"
    "      --csv FILE|-         a row for each second and each step\n"
    "  -q, --quiet              no progress, no summary\n"
    "      --ceiling            first the same against --null on another processor: the most there\n"
    "                           can be. Without a URL that is all\n"
    "      --spin TIME          open loop: stay awake so long before a request is due and for an\n"
    "                           answer: 200us; 0 on a machine with one processor\n"
    "      --help, --version\n"
    "\n"
    "examples\n"
    "  weft-load http://127.0.0.1:8080/\n"
    "  weft-load -r 20k -t 30s http://127.0.0.1:8080/\n"
    "  weft-load -r 1k,2k,5k,10k --csv load.csv http://127.0.0.1:8080/\n"
    "  weft-load -H 'Accept: text/html' -d @order.json http://127.0.0.1:8080/orders\n"
    "  weft-load http://127.0.0.1:8080/=9 http://127.0.0.1:8080/search=1\n"
    "  weft-load --ceiling -c 8 -p 16 http://127.0.0.1:8080/\n"
    "\n"
    "Ctrl-C ends early and still says what was seen. The exit status is 0 when every answer was\n"
    "right, 1 when not, 2 when it was not clear what to do.\n";

__attribute__((format(printf, 1, 2))) static int refuse(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fputs("weft-load: ", stderr);
    vfprintf(stderr, format, arguments);
    fputs("; --help has what there is\n", stderr);
    va_end(arguments);
    return USAGE;
}

/* --- Words. --- */

static double read_decimal(const char *text, const char **end)
{
    char *after;
    if (strspn(text, "0123456789.") == 0)
        return *end = text, -1;
    double number = strtod(text, &after);
    *end = after;
    return isfinite(number) ? number : -1;
}

/* "250ms", "10s", "2m", "3": nanoseconds; negative: it is none. */
static int64_t read_time(const char *text)
{
    static const struct {
        const char *name;
        double size;
    } units[] = { { "ns", 1 }, { "us", 1e3 }, { "ms", 1e6 },  { "s", 1e9 },
                  { "", 1e9 }, { "m", 60e9 }, { "h", 3600e9 } };
    const char *unit;
    double number = read_decimal(text, &unit);
    for (size_t i = 0; i < sizeof units / sizeof *units; i++)
        if (number >= 0 && strcmp(unit, units[i].name) == 0 && number * units[i].size < 1e15)
            return (int64_t)(number * units[i].size);
    return -1;
}

/* "1000", "2.5k", "1M": negative: it is none. `end` is what follows. */
static double read_count(const char *text, const char **end)
{
    double number = read_decimal(text, end);
    if (**end == 'k' || **end == 'K')
        number *= 1e3, (*end)++;
    else if (**end == 'M')
        number *= 1e6, (*end)++;
    return number > 1e12 ? -1 : number;
}

/* A whole number of at least 1; 0: it is none. */
static uint64_t read_whole(const char *text, uint64_t max)
{
    const char *end;
    double number = read_count(text, &end);
    bool good = *end == '\0' && number >= 1 && number <= (double)max && number == floor(number);
    return good ? (uint64_t)number : 0;
}

/* A file in whole. */
static int read_file(const char *path, struct bytes *bytes)
{
    char piece[16384];
    FILE *file = strcmp(path, "-") == 0 ? stdin : fopen(path, "rb");
    if (file == NULL)
        return refuse("%s: %s", path, strerror(errno));
    size_t n;
    int status = -1;
    while ((n = fread(piece, 1, sizeof piece, file)) > 0)
        if (bytes_add(bytes, piece, n) < 0)
            status = refuse("%s: out of memory", path);
    if (ferror(file))
        status = refuse("%s: it cannot be read", path);
    if (file != stdin)
        fclose(file);
    return status;
}

/* Text, or @FILE. */
static int read_text(const char *word, struct bytes *bytes)
{
    bytes->size = 0;
    if (bytes_add(bytes, "", 0) < 0)
        return refuse("out of memory");
    if (word[0] == '@')
        return read_file(word + 1, bytes);
    return bytes_add(bytes, word, strlen(word)) < 0 ? refuse("out of memory") : -1;
}

static int read_rates(struct options *options, const char *text)
{
    for (options->step_count = 0;; text++) {
        const char *end;
        double from = read_count(text, &end), to = from;
        if (strncmp(end, "..", 2) == 0)
            to = read_count(end + 2, &end);
        if (from < 0.001 || to < 0.001 || options->step_count == STEPS_MAX ||
            (*end != ',' && *end != '\0'))
            return refuse("'%s' is no rate: R, R..S or R,S,T", text);
        options->steps[options->step_count].from = from;
        options->steps[options->step_count++].to = to;
        if (*end == '\0')
            return -1;
        text = end;
    }
}

static int add_header(struct options *options, const char *line)
{
    struct request_options *request = &options->request;
    if (strchr(line, ':') == NULL || line[0] == ':')
        return refuse("'%s' is no header: 'Name: value'", line);
    char **larger = realloc(options->headers, (size_t)(request->header_count + 1) * sizeof *larger);
    if (larger == NULL)
        return refuse("out of memory");
    options->headers = larger;
    options->headers[request->header_count++] = strdup(line);
    request->headers = (const char *const *)options->headers;
    return options->headers[request->header_count - 1] ? -1 : refuse("out of memory");
}

static int add_url(struct options *options, const char *url, size_t size, unsigned weight)
{
    size_t count = (size_t)options->target_count;
    char **urls = realloc(options->urls, (count + 1) * sizeof *urls);
    if (urls != NULL)
        options->urls = urls;
    unsigned *weights = realloc(options->weights, (count + 1) * sizeof *weights);
    if (weights != NULL)
        options->weights = weights;
    if (urls == NULL || weights == NULL || (urls[count] = strndup(url, size)) == NULL)
        return refuse("out of memory");
    weights[count] = weight;
    options->target_count++;
    return -1;
}

int options_add_url(struct options *options, const char *url)
{
    return add_url(options, url, strlen(url), 1);
}

/* A weight is a number behind a '=', unless that belongs to a query. */
static int add_argument(struct options *options, const char *word)
{
    const char *equals = strchr(word, '?') == NULL ? strrchr(word, '=') : NULL;
    if (equals == NULL || equals[1] == '\0' || equals[1 + strspn(equals + 1, "0123456789")] != '\0')
        return add_url(options, word, strlen(word), 1);
    uint64_t weight = read_whole(equals + 1, 10000);
    if (weight == 0)
        return refuse("'%s' is no weight", equals + 1);
    return add_url(options, word, (size_t)(equals - word), (unsigned)weight);
}

/* Go through the lines of a file. */
static int each_line(struct options *options, const char *path,
                     int (*use)(struct options *options, char *line))
{
    struct bytes text = { 0 };
    int status = read_file(path, &text);
    if (status < 0 && bytes_add(&text, "\n", 2) < 0)
        status = refuse("out of memory");
    char *line = text.data, *end;
    for (; status < 0 && (end = strchr(line, '\n')) != NULL; line = end + 1) {
        *end = '\0';
        line[strcspn(line, "\r")] = '\0';
        if (line[0] != '\0' && line[0] != '#')
            status = use(options, line);
    }
    bytes_free(&text);
    return status;
}

static int use_header(struct options *options, char *line)
{
    return add_header(options, line);
}

static int use_target(struct options *options, char *line)
{
    size_t size = strcspn(line, " \t");
    const char *word = line + size + strspn(line + size, " \t");
    uint64_t weight = *word ? read_whole(word, 10000) : 1;
    return weight > 0 ? add_url(options, line, size, (unsigned)weight)
                      : refuse("'%s' is no weight", word);
}

/* --- Options. --- */

enum {
    POISSON = 256,
    WARM_UP,
    RAMP,
    HEADER_FILE,
    SIZE,
    CLOSE,
    TARGETS,
    EXPECT_STATUS,
    EXPECT_BODY,
    CHECK,
    CHECK_EVERY,
    TIMEOUT,
    JSON,
    CSV,
    SPIN,
    IS_NULL,
    CEILING,
    HELP,
    VERSION,
};

static const struct option names[] = {
    { "connections", required_argument, NULL, 'c' },
    { "duration", required_argument, NULL, 't' },
    { "requests", required_argument, NULL, 'n' },
    { "rate", required_argument, NULL, 'r' },
    { "poisson", optional_argument, NULL, POISSON },
    { "pipeline", required_argument, NULL, 'p' },
    { "warm-up", required_argument, NULL, WARM_UP },
    { "ramp-connections", required_argument, NULL, RAMP },
    { "method", required_argument, NULL, 'X' },
    { "header", required_argument, NULL, 'H' },
    { "header-file", required_argument, NULL, HEADER_FILE },
    { "data", required_argument, NULL, 'd' },
    { "size", required_argument, NULL, SIZE },
    { "close", no_argument, NULL, CLOSE },
    { "targets", required_argument, NULL, TARGETS },
    { "expect-status", required_argument, NULL, EXPECT_STATUS },
    { "expect-body", required_argument, NULL, EXPECT_BODY },
    { "check", required_argument, NULL, CHECK },
    { "check-every", required_argument, NULL, CHECK_EVERY },
    { "timeout", required_argument, NULL, TIMEOUT },
    { "json", required_argument, NULL, JSON },
    { "csv", required_argument, NULL, CSV },
    { "quiet", no_argument, NULL, 'q' },
    { "spin", required_argument, NULL, SPIN },
    { "null", no_argument, NULL, IS_NULL },
    { "ceiling", no_argument, NULL, CEILING },
    { "help", no_argument, NULL, HELP },
    { "version", no_argument, NULL, VERSION },
    { 0 },
};

static const char *name_of(int option)
{
    const struct option *name = names;
    while (name->val != option)
        name++;
    return name->name;
}

static int set_time(int64_t *time, int option, const char *word, bool none)
{
    *time = read_time(word);
    return *time > 0 || (none && *time == 0)
               ? -1
               : refuse("--%s: '%s' is no time: 250ms, 10s, 2m", name_of(option), word);
}

static int set_int(int *number, int option, const char *word, int max)
{
    *number = (int)read_whole(word, (uint64_t)max);
    return *number > 0 ? -1
                       : refuse("--%s: '%s' is no number from 1 to %d", name_of(option), word, max);
}

static int set_check(struct options *options, const char *word)
{
    static const char *const words[] = { "body", "size", "status", "none" };
    for (int i = 0; i < 4; i++) {
        if (strcmp(word, words[i]) == 0) {
            options->check = (enum check)i;
            return -1;
        }
    }
    return refuse("--check: '%s' is none of body, size, status, none", word);
}

static int set_expect_body(struct options *options, const char *word)
{
    struct bytes body = { 0 };
    int status = read_text(word, &body);
    free(options->expect_body);
    options->expect_body = body.data ? body.data : strdup("");
    options->expect_size = body.size;
    return status;
}

static int set_data(struct options *options, const char *word)
{
    int status = read_text(word, &options->data);
    options->request.body = options->data.data ? options->data.data : "";
    options->request.body_size = options->data.size;
    return status;
}

/* How much. */
static int set_amount(struct options *options, int option, const char *word)
{
    switch (option) {
    case 'c':
        return set_int(&options->connections, option, word, 1000000);
    case 'p':
        return set_int(&options->pipeline, option, word, 10000);
    case 't':
        return set_time(&options->duration, option, word, false);
    case 'n':
        options->requests = read_whole(word, UINT64_C(1) << 40);
        return options->requests > 0 ? -1 : refuse("--requests: '%s' is no number", word);
    case 'r':
        return read_rates(options, word);
    case POISSON:
        options->seed = word != NULL ? read_whole(word, UINT32_MAX) : 1;
        return options->seed > 0 ? -1 : refuse("--poisson: '%s' is no seed", word);
    case WARM_UP:
        return set_time(&options->warm_up, option, word, true);
    case RAMP:
        return set_time(&options->ramp, option, word, true);
    case SPIN:
        return set_time(&options->spin, option, word, true);
    default:
        return set_time(&options->timeout, option, word, false);
    }
}

/* What to ask for, and what is right. */
static int set_request(struct options *options, int option, const char *word)
{
    int number;
    switch (option) {
    case 'X':
        options->request.method = word;
        return -1;
    case 'H':
        return add_header(options, word);
    case HEADER_FILE:
        return each_line(options, word, use_header);
    case 'd':
        return set_data(options, word);
    case SIZE:
        number = (int)read_whole(word, 1 << 30);
        options->request.size = (size_t)number;
        return number > 0 ? -1 : refuse("--size: '%s' is no number of bytes", word);
    case TARGETS:
        return each_line(options, word, use_target);
    case EXPECT_STATUS:
        return set_int(&options->expect_status, option, word, 999);
    case EXPECT_BODY:
        return set_expect_body(options, word);
    case CHECK:
        return set_check(options, word);
    default:
        return set_int(&options->check_every, option, word, 1000000000);
    }
}

static int set_flag(struct options *options, int option, const char *word)
{
    switch (option) {
    case CLOSE:
        options->request.close = true;
        return -1;
    case JSON:
        options->json = word;
        return -1;
    case CSV:
        options->csv = word;
        return -1;
    case 'q':
        options->quiet = true;
        return -1;
    case IS_NULL:
        options->is_null = true;
        return -1;
    case CEILING:
        options->ceiling = true;
        return -1;
    case HELP:
        fputs(help, stdout);
        return 0;
    case VERSION:
        puts("weft-load " WEFT_VERSION);
        return 0;
    default: /* getopt has said what is wrong */
        fputs("weft-load: --help has what there is\n", stderr);
        return USAGE;
    }
}

static int set(struct options *options, int option, const char *word)
{
    switch (option) {
    case 'c':
    case 't':
    case 'n':
    case 'r':
    case 'p':
    case POISSON:
    case WARM_UP:
    case RAMP:
    case SPIN:
    case TIMEOUT:
        return set_amount(options, option, word);
    case 'X':
    case 'H':
    case 'd':
    case HEADER_FILE:
    case SIZE:
    case TARGETS:
    case EXPECT_STATUS:
    case EXPECT_BODY:
    case CHECK:
    case CHECK_EVERY:
        return set_request(options, option, word);
    default:
        return set_flag(options, option, word);
    }
}

/* What excludes what. */
static int look_at_all(const struct options *options)
{
    bool is_open = options->step_count > 0;
    if (options->is_null)
        return options->target_count > 1 ? refuse("--null serves at one place") : -1;
    if (options->target_count == 0 && !options->ceiling)
        return refuse("there is no URL");
    if (options->target_count == 0 && (options->json != NULL || options->csv != NULL))
        return refuse("--ceiling without a URL has nothing for files");
    if (options->requests > 0 && is_open)
        return refuse("-n is for closed loops; an open one has a duration");
    if (options->seed > 0 && !is_open)
        return refuse("--poisson needs a rate");
    if (options->request.close && options->pipeline > 1)
        return refuse("--close leaves nothing to pipeline");
    if (options->json != NULL && options->csv != NULL && strcmp(options->json, "-") == 0 &&
        strcmp(options->csv, "-") == 0)
        return refuse("standard output cannot be both, JSON and CSV");
    return -1;
}

int options_read(struct options *options, int count, char **words)
{
    *options = (struct options){ .connections = 50,
                                 .pipeline = 1,
                                 .duration = INT64_C(10000000000),
                                 .timeout = INT64_C(10000000000),
                                 .spin = sysconf(_SC_NPROCESSORS_ONLN) > 1 ? 200000 : 0,
                                 .request.size = 64 };
    int option, status = -1;
    while (status < 0 &&
           (option = getopt_long(count, words, "c:t:n:r:p:X:H:d:qh", names, NULL)) >= 0)
        status = set(options, option == 'h' ? HELP : option, optarg);
    for (; status < 0 && optind < count; optind++)
        status = add_argument(options, words[optind]);
    return status < 0 ? look_at_all(options) : status;
}

static int expect(const struct options *options, struct target *target)
{
    if (options->expect_body != NULL &&
        target_expect(target, options->expect_status, options->expect_body, options->expect_size) <
            0)
        return refuse("out of memory");
    if (options->expect_status > 0 && target->protocol == &http_protocol)
        target->expected.status = options->expect_status;
    return -1;
}

int options_resolve(struct options *options)
{
    char why[TARGET_TEXT_MAX];
    int count = options->target_count;
    options->targets = calloc((size_t)count, sizeof *options->targets);
    if (options->targets == NULL)
        return refuse("out of memory");
    for (int i = 0; i < count; i++) {
        struct target *target = &options->targets[i];
        if (target_init(target, options->urls[i], &options->request, why) < 0)
            return refuse("%s", why);
        target->weight = options->weights[i];
        int status = expect(options, target);
        if (status >= 0)
            return status;
    }
    return 0;
}

void options_free(struct options *options)
{
    for (int i = 0; i < options->target_count; i++) {
        free(options->urls[i]);
        if (options->targets != NULL)
            target_fini(&options->targets[i]);
    }
    for (int i = 0; i < options->request.header_count; i++)
        free(options->headers[i]);
    free(options->headers);
    free(options->targets);
    free(options->urls);
    free(options->weights);
    free(options->expect_body);
    bytes_free(&options->data);
}
