#include "options.h"

#include "schedule.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXIT_USAGE       2
#define DURATION_DEFAULT (10 * LOAD_SECOND)
#define CONNECTIONS_MAX  1000000
#define PIPELINE_MAX     4096
#define FILE_MAX         (1u << 30)

static const char usage_text[] =
    "usage: weft-load [OPTION...] URL[=WEIGHT]...\n"
    "       weft-load --null [ADDRESS]      weft-load --ceiling [OPTION...]\n"
    "\n"
    "Ask servers, see how long they take, and look at every answer. Without --rate it is a closed\n"
    "loop: each connection asks again when it is answered. With it requests are due at fixed\n"
    "times whatever the server does, and latency counts from then: use this one for latencies.\n"
    "\n"
    "  URL    http://host[:port]/path, host[:port]/path, http://unix:/socket:/path,\n"
    "         echo://host:port (sends bytes, expects the same), @FILE of such lines.\n"
    "         http://host/a=3 http://host/b=1: three times as often (where there is no query)\n"
    "\n"
    "What is asked\n"
    "  -X, --method NAME        default: GET, or POST where there is a body\n"
    "  -H, --header LINE        'Name: value'; @FILE has one on each line\n"
    "  -d, --data TEXT          the body; @FILE. For echo: the bytes that are sent (default: 64)\n"
    "      --size BYTES         a body of so many bytes that nobody reads\n"
    "      --close              one exchange for each connection: connect, ask, close\n"
    "\n"
    "How much\n"
    "  -r, --rate RATE          requests a second: 20k; 1k..50k rises; 1k,2k,5k one by one\n"
    "      --poisson[=SEED]     gaps as of independent users, not even ones\n"
    "  -c, --connections N      default: 16\n"
    "  -p, --pipeline N         requests under way on each (default: 1)\n"
    "  -t, --duration TIME      of each step: 10s, 500ms, 2m (default: 10s)\n"
    "  -n, --requests N         of each step; with it there is no default duration\n"
    "      --ramp-up TIME       put connections to work one by one\n"
    "      --warm-up TIME       before, not counted\n"
    "      --timeout TIME       for an answer and for connecting (default: 10s)\n"
    "\n"
    "What is expected\n"
    "      --expect-status N    default: that of the first answer, and below 400\n"
    "      --check WHAT         body (default), length or status have to be those of the first\n"
    "      --check-every N      the body of each n-th answer (default: of each one)\n"
    "\n"
    "What is told\n"
    "      --json FILE          results; - is standard output\n"
    "      --csv FILE           one line for each step\n"
    "      --ceiling            first find out what this program can do at most here\n"
    "  -q, --quiet              no summary and no progress\n"
    "      --help, --version\n"
    "\n"
    "Ctrl-C ends a run early, with its summary. The exit status is 0 when every answer was right,\n"
    "1 when something was not, 2 when the command line was not understood.\n"
    "\n"
    "  weft-load http://127.0.0.1:8080/                       as fast as it goes, 16 connections\n"
    "  weft-load -r 20k -c 64 -t 30s http://127.0.0.1:8080/   latencies at 20,000 a second\n"
    "  weft-load -r 1k,5k,20k --csv steps.csv shop:8080/      latency over load\n"
    "  weft-load -p 16 -n 1M http://127.0.0.1:8080/           a million, 16 at a time\n"
    "  weft-load -d @order.json -H 'Content-Type: application/json' shop:8080/orders\n"
    "  weft-load --null 127.0.0.1:9000                        a server that does nothing\n";

enum {
    NULL_SERVER = 256,
    CEILING,
    CLOSE,
    POISSON,
    RAMP_UP,
    WARM_UP,
    TIMEOUT,
    EXPECT_STATUS,
    CHECK,
    CHECK_EVERY,
    JSON,
    CSV,
    SIZE,
    HELP,
    VERSION
};

static const struct option long_options[] = {
    { "method", required_argument, NULL, 'X' },
    { "header", required_argument, NULL, 'H' },
    { "data", required_argument, NULL, 'd' },
    { "size", required_argument, NULL, SIZE },
    { "close", no_argument, NULL, CLOSE },
    { "rate", required_argument, NULL, 'r' },
    { "poisson", optional_argument, NULL, POISSON },
    { "connections", required_argument, NULL, 'c' },
    { "pipeline", required_argument, NULL, 'p' },
    { "duration", required_argument, NULL, 't' },
    { "requests", required_argument, NULL, 'n' },
    { "ramp-up", required_argument, NULL, RAMP_UP },
    { "warm-up", required_argument, NULL, WARM_UP },
    { "timeout", required_argument, NULL, TIMEOUT },
    { "expect-status", required_argument, NULL, EXPECT_STATUS },
    { "check", required_argument, NULL, CHECK },
    { "check-every", required_argument, NULL, CHECK_EVERY },
    { "json", required_argument, NULL, JSON },
    { "csv", required_argument, NULL, CSV },
    { "ceiling", no_argument, NULL, CEILING },
    { "null", no_argument, NULL, NULL_SERVER },
    { "quiet", no_argument, NULL, 'q' },
    { "help", no_argument, NULL, HELP },
    { "version", no_argument, NULL, VERSION },
    { NULL, 0, NULL, 0 },
};

static int refuse(const char *what, const char *text)
{
    fprintf(stderr, "weft-load: %s: %s\n", text, what);
    return EXIT_USAGE;
}

/* --- Numbers. --- */

bool load_read_number(const char *text, double *number)
{
    char *end;
    if (strspn(text, "0123456789.") == 0)
        return false;
    errno = 0;
    *number = strtod(text, &end);
    if (*end == 'k' || *end == 'K')
        *number *= 1e3;
    else if (*end == 'M')
        *number *= 1e6;
    end += *end == 'k' || *end == 'K' || *end == 'M';
    return *end == '\0' && errno == 0 && *number > 0 && *number <= 1e12 &&
           strpbrk(text, "xXeEpP") == NULL;
}

static bool read_count(const char *text, double max, uint64_t *count)
{
    double number;
    if (!load_read_number(text, &number) || number > max || number != (double)(uint64_t)number)
        return false;
    *count = (uint64_t)number;
    return true;
}

bool load_read_duration(const char *text, int64_t *duration)
{
    static const struct {
        const char *name;
        double seconds;
    } units[] = {
        { "", 1 }, { "s", 1 }, { "ms", 1e-3 }, { "us", 1e-6 }, { "m", 60 }, { "h", 3600 }
    };
    size_t digits = strspn(text, "0123456789.");
    double number = strtod(text, NULL);
    if (digits == 0 || !(number > 0))
        return false;
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        if (strcmp(text + digits, units[i].name) != 0 || number * units[i].seconds > 1e6)
            continue;
        *duration = (int64_t)(number * units[i].seconds * LOAD_SECOND);
        return *duration > 0;
    }
    return false;
}

static bool read_step(char *text, struct load_step *step)
{
    char *dots = strstr(text, "..");
    if (dots != NULL)
        *dots = '\0';
    if (!load_read_number(text, &step->rate))
        return false;
    step->rate_end = step->rate;
    return dots == NULL || load_read_number(dots + 2, &step->rate_end);
}

int load_read_rates(const char *text, struct load_step *steps, int room)
{
    char *copy = strdup(text), *rest = copy, *piece;
    int count = 0;
    while (copy != NULL && count >= 0 && (piece = strsep(&rest, ",")) != NULL)
        count = count < room && read_step(piece, &steps[count]) ? count + 1 : -1;
    free(copy);
    return copy != NULL && count > 0 ? count : -1;
}

/* --- Texts, and files of them. --- */

/* A whole file, with a NUL behind it. */
static char *read_file(const char *path, size_t *size)
{
    FILE *file = fopen(path, "rb");
    size_t room = 4096, len = 0, n;
    char *bytes = malloc(room);
    while (file != NULL && bytes != NULL && (n = fread(bytes + len, 1, room - 1 - len, file)) > 0) {
        len += n;
        if (len < room - 1)
            continue;
        char *moved = room < FILE_MAX ? realloc(bytes, room *= 2) : NULL;
        if (moved == NULL)
            free(bytes);
        bytes = moved;
    }
    if (file == NULL || bytes == NULL || ferror(file)) {
        fprintf(stderr, "weft-load: %s: %s\n", path, strerror(errno != 0 ? errno : EFBIG));
        free(bytes);
        bytes = NULL;
    }
    if (file != NULL)
        fclose(file);
    if (bytes != NULL)
        bytes[len] = '\0';
    *size = len;
    return bytes;
}

static int add_header(struct load_options *options, const char *line)
{
    struct load_message *message = &options->message;
    if (message->header_count == LOAD_HEADERS_MAX)
        return refuse("more headers than there is room for", line);
    message->headers[message->header_count++] = line;
    return 0;
}

static int add_url(struct load_options *options, const char *url)
{
    const char **moved =
        realloc(options->urls, ((size_t)options->url_count + 1) * sizeof *options->urls);
    if (moved == NULL)
        return refuse("out of memory", url);
    options->urls = moved;
    options->urls[options->url_count++] = url;
    return 0;
}

/* `text` itself, or each line of @FILE but the empty ones and those with a '#' in front. */
static int add_lines(struct load_options *options, char *text,
                     int (*add)(struct load_options *options, const char *line))
{
    if (text[0] != '@')
        return add(options, text);
    size_t size;
    char *rest = read_file(text + 1, &size), *line;
    if (rest == NULL)
        return EXIT_USAGE;
    int err = 0;
    while (err == 0 && (line = strsep(&rest, "\n")) != NULL) {
        line[strcspn(line, "\r")] = '\0';
        if (line[0] != '\0' && line[0] != '#')
            err = add(options, line);
    }
    return err;
}

static int read_body(struct load_options *options, const char *text)
{
    options->message.body = text;
    options->message.body_size = strlen(text);
    if (text[0] == '@')
        options->message.body = read_file(text + 1, &options->message.body_size);
    return options->message.body != NULL ? 0 : EXIT_USAGE;
}

static int make_body(struct load_options *options, const char *text)
{
    uint64_t size;
    if (!read_count(text, FILE_MAX, &size))
        return refuse("not a number of bytes", text);
    char *body = malloc(size);
    for (uint64_t i = 0; body != NULL && i < size; i++)
        body[i] = (char)('a' + i % 26);
    options->message.body = body;
    options->message.body_size = (size_t)size;
    return body != NULL ? 0 : refuse("out of memory", text);
}

/* --- Options. --- */

static int read_check(struct load_options *options, const char *text)
{
    static const char *const names[] = {
        [LOAD_CHECK_STATUS] = "status", [LOAD_CHECK_LENGTH] = "length", [LOAD_CHECK_BODY] = "body"
    };
    for (int i = 0; i <= LOAD_CHECK_BODY; i++)
        if (strcmp(names[i], text) == 0) {
            options->message.check = (enum load_check)i;
            return 0;
        }
    return refuse("not body, length or status", text);
}

static int read_counted(struct load_options *options, int option, const char *text)
{
    uint64_t count;
    double max = option == 'c'             ? CONNECTIONS_MAX
                 : option == 'p'           ? PIPELINE_MAX
                 : option == EXPECT_STATUS ? 999
                 : option == CHECK_EVERY   ? 1e9
                                           : 1e12;
    if (!read_count(text, max, &count) || (option == EXPECT_STATUS && count < 100))
        return refuse("not such a number", text);
    switch (option) {
    case 'c':
        options->setup.connections = (int)count;
        break;
    case 'p':
        options->setup.pipeline = (int)count;
        break;
    case 'n':
        options->plan.requests = count;
        break;
    case EXPECT_STATUS:
        options->message.status_want = (int)count;
        break;
    default:
        options->setup.check_every = (unsigned)count;
    }
    return 0;
}

static int read_time(struct load_options *options, int option, const char *text)
{
    int64_t *duration = option == 't'       ? &options->plan.duration
                        : option == RAMP_UP ? &options->plan.ramp_up
                        : option == WARM_UP ? &options->warm_up
                                            : &options->setup.timeout;
    return load_read_duration(text, duration) ? 0
                                              : refuse("not a time, like 10s, 250ms or 2m", text);
}

static int read_rates(struct load_options *options, const char *text)
{
    options->step_count = load_read_rates(text, options->steps, LOAD_STEPS_MAX);
    return options->step_count > 0 ? 0 : refuse("not a rate, like 20k, 1k..50k or 1k,2k,5k", text);
}

static int read_poisson(struct load_options *options, const char *text)
{
    options->plan.is_poisson = true;
    options->plan.seed = 1;
    return text == NULL || read_count(text, 1e12, &options->plan.seed) ? 0
                                                                       : refuse("not a seed", text);
}

static int answer_help(struct load_options *options, int option)
{
    options->mode = LOAD_MODE_NOTHING;
    fputs(option == HELP ? usage_text : "weft-load " LOAD_VERSION "\n", stdout);
    return 0;
}

static int read_flag(struct load_options *options, int option)
{
    switch (option) {
    case CLOSE:
        options->setup.churns = options->message.closes = true;
        return 0;
    case CEILING:
        options->ceiling = true;
        return 0;
    case NULL_SERVER:
        options->mode = LOAD_MODE_NULL;
        return 0;
    case 'q':
        options->quiet = true;
        return 0;
    case HELP:
    case VERSION:
        return answer_help(options, option);
    default: /* getopt has said what is wrong */
        fputs("weft-load: --help tells what there is\n", stderr);
        return EXIT_USAGE;
    }
}

static int read_option(struct load_options *options, int option, char *text)
{
    switch (option) {
    case 'X':
        options->message.method = text;
        return 0;
    case 'H':
        return add_lines(options, text, add_header);
    case 'd':
        return read_body(options, text);
    case SIZE:
        return make_body(options, text);
    case 'r':
        return read_rates(options, text);
    case POISSON:
        return read_poisson(options, text);
    case CHECK:
        return read_check(options, text);
    case JSON:
        options->json = text;
        return 0;
    case CSV:
        options->csv = text;
        return 0;
    case 'c':
    case 'p':
    case 'n':
    case EXPECT_STATUS:
    case CHECK_EVERY:
        return read_counted(options, option, text);
    case 't':
    case RAMP_UP:
    case WARM_UP:
    case TIMEOUT:
        return read_time(options, option, text);
    default:
        return read_flag(options, option);
    }
}

/* What goes with what. */
static int settle(struct load_options *options)
{
    bool ramps = false;
    if (options->mode == LOAD_MODE_NULL) {
        options->null_address = options->url_count > 0 ? options->urls[0] : NULL;
        return options->url_count <= 1 ? 0 : refuse("one address is enough", options->urls[1]);
    }
    if (options->url_count == 0 && options->ceiling)
        options->mode = LOAD_MODE_CEILING;
    else if (options->url_count == 0)
        return refuse("--help tells how", "no URL");
    if (options->setup.churns && options->setup.pipeline > 1)
        return refuse("one exchange for each connection leaves no room for --pipeline", "--close");
    if (options->plan.is_poisson && options->step_count == 0)
        return refuse("only with --rate", "--poisson");
    for (int i = 0; i < options->step_count; i++)
        ramps = ramps || options->steps[i].rate != options->steps[i].rate_end;
    if (options->plan.duration == 0 && (options->plan.requests == 0 || ramps))
        options->plan.duration = DURATION_DEFAULT;
    if (options->step_count == 0)
        options->step_count = 1;
    return 0;
}

int load_options_read(struct load_options *options, int argc, char **argv)
{
    int option, err = 0;
    *options = (struct load_options){ .setup = { .connections = 16, .pipeline = 1 },
                                      .message = { .check = LOAD_CHECK_BODY } };
    while (err == 0 && options->mode != LOAD_MODE_NOTHING &&
           (option = getopt_long(argc, argv, "X:H:d:r:c:p:t:n:q", long_options, NULL)) != -1)
        err = read_option(options, option, optarg);
    for (int i = optind; i < argc && err == 0 && options->mode != LOAD_MODE_NOTHING; i++)
        err = add_lines(options, argv[i], add_url);
    return err != 0 || options->mode == LOAD_MODE_NOTHING ? err : settle(options);
}
