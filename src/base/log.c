/* One line at a time, from printf arguments to the sink.
 *
 *      arguments -> print -> escape (in place, from the end) -> sink
 *
 * The line is built in one buffer on the stack: no allocation, so that "out of memory" can be
 * logged, and no lock, because the default sink writes a line with one system call. Text comes
 * from clients: control bytes become \n, \r, \t or \x1b, so that nobody forges a line or drives
 * the reader's terminal. */

#include "base/log.h"

#include "base/compiler.h"

#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#define LOGGERS     3
#define LEVELS      4
#define LEVEL_UNSET (-1) /* WEFT_LOG has not been read yet */
#define ELLIPSIS    "\xe2\x80\xa6"

static const char *const logger_names[LOGGERS] = { "access", "application", "runtime" };
static const char *const level_names[LEVELS] = { "debug", "info", "warning", "error" };

static atomic_int thresholds[LOGGERS] = { LEVEL_UNSET, LEVEL_UNSET, LEVEL_UNSET };
static atomic_uint_fast64_t counts[LOGGERS][LEVELS];

static void write_line(void *context, enum weft_logger logger, enum weft_log_level level,
                       const char *text, size_t size);

static struct {
    weft_log_fn *write;
    void *context;
} sink = { .write = write_line };

static bool is_valid(enum weft_logger logger, enum weft_log_level level)
{
    return (unsigned)logger < LOGGERS && (unsigned)level < LEVELS;
}

static int level_from_environment(void)
{
    const char *name = getenv("WEFT_LOG");
    for (int level = 0; name && level < LEVELS; level++)
        if (strcmp(name, level_names[level]) == 0)
            return level;
    return WEFT_LOG_WARNING;
}

/* Whoever comes first fills in all that are unset; a level set by hand stays. */
WF_COLD static int read_environment(enum weft_logger logger)
{
    int level = level_from_environment();
    for (int i = 0; i < LOGGERS; i++) {
        int unset = LEVEL_UNSET;
        atomic_compare_exchange_strong(&thresholds[i], &unset, level);
    }
    return atomic_load(&thresholds[logger]);
}

static int threshold_of(enum weft_logger logger)
{
    int level = atomic_load_explicit(&thresholds[logger], memory_order_relaxed);
    return WF_LIKELY(level != LEVEL_UNSET) ? level : read_environment(logger);
}

/* A writev is one write: lines of several threads do not mix. */
static void write_line(void *context, enum weft_logger logger, enum weft_log_level level,
                       const char *text, size_t size)
{
    (void)context;
    char prefix[64];
    int prefix_size =
        snprintf(prefix, sizeof prefix, "weft %s %s: ", logger_names[logger], level_names[level]);
    const struct iovec pieces[] = {
        { .iov_base = prefix, .iov_len = (size_t)prefix_size },
        { .iov_base = (char *)(uintptr_t)text, .iov_len = size },
        { .iov_base = "\n", .iov_len = 1 },
    };
    ssize_t written = writev(STDERR_FILENO, pieces, 3);
    (void)written; /* nowhere to complain */
}

static bool is_control(char byte)
{
    return (unsigned char)byte < 0x20 || byte == 0x7f;
}

/* The letter of a two-byte escape, or 0. */
static char short_escape(char byte)
{
    switch (byte) {
    case '\n':
        return 'n';
    case '\r':
        return 'r';
    case '\t':
        return 't';
    default:
        return 0;
    }
}

static size_t escaped_size(char byte)
{
    if (WF_LIKELY(!is_control(byte)))
        return 1;
    return short_escape(byte) ? 2 : 4;
}

static void put_escaped(char *target, char byte)
{
    static const char digits[] = "0123456789abcdef";
    char letter = short_escape(byte);
    if (!is_control(byte)) {
        target[0] = byte;
        return;
    }
    target[0] = '\\';
    target[1] = letter ? letter : 'x';
    if (letter)
        return;
    target[2] = digits[(unsigned char)byte >> 4];
    target[3] = digits[byte & 15];
}

/* The longest run of whole characters of `text` that is at most `room` bytes once escaped, which
 * goes to `*escaped`. */
static size_t fit(const char *text, size_t size, size_t room, size_t *escaped)
{
    size_t kept = 0;
    *escaped = 0;
    while (kept < size && *escaped + escaped_size(text[kept]) <= room)
        *escaped += escaped_size(text[kept++]);
    while (kept < size && kept > 0 && ((unsigned char)text[kept] & 0xc0) == 0x80) {
        kept--; /* the cut is inside a UTF-8 character: leave all of it out */
        *escaped -= escaped_size(text[kept]);
    }
    return kept;
}

/* Escape `line` in place, from the end so that nothing is overwritten before it has been read. */
static size_t escape(char *line, size_t size, bool is_cut)
{
    size_t escaped;
    size_t kept = fit(line, size, WEFT_LOG_SIZE_MAX, &escaped);
    is_cut |= kept < size;
    if (is_cut)
        kept = fit(line, size, WEFT_LOG_SIZE_MAX - strlen(ELLIPSIS), &escaped);
    size_t at = escaped;
    while (kept > 0) {
        char byte = line[--kept];
        at -= escaped_size(byte);
        put_escaped(line + at, byte);
    }
    if (is_cut) {
        memcpy(line + escaped, ELLIPSIS, strlen(ELLIPSIS));
        escaped += strlen(ELLIPSIS);
    }
    line[escaped] = '\0';
    return escaped;
}

WF_COLD WF_PRINTF(3, 0) static void emit(enum weft_logger logger, enum weft_log_level level,
                                         const char *format, va_list list)
{
    char line[WEFT_LOG_SIZE_MAX + 1];
    int saved = errno;
    int wanted = vsnprintf(line, sizeof line, format, list);
    if (wanted < 0)
        wanted = snprintf(line, sizeof line, "a line that could not be formatted");
    bool is_cut = (size_t)wanted > WEFT_LOG_SIZE_MAX;
    size_t size = escape(line, is_cut ? WEFT_LOG_SIZE_MAX : (size_t)wanted, is_cut);
    atomic_fetch_add_explicit(&counts[logger][level], 1, memory_order_relaxed);
    sink.write(sink.context, logger, level, line, size);
    errno = saved;
}

void weft_log_set_sink(weft_log_fn *write, void *context)
{
    sink.write = write ? write : write_line;
    sink.context = context;
}

void weft_log_set_level(enum weft_logger logger, enum weft_log_level level)
{
    if (!is_valid(logger, level))
        return;
    threshold_of(logger); /* the environment is read once, and before this */
    atomic_store_explicit(&thresholds[logger], (int)level, memory_order_relaxed);
}

bool weft_log_enabled(enum weft_logger logger, enum weft_log_level level)
{
    return is_valid(logger, level) && (int)level >= threshold_of(logger);
}

void weft_log(enum weft_logger logger, enum weft_log_level level, const char *format, ...)
{
    if (!weft_log_enabled(logger, level))
        return;
    va_list list;
    va_start(list, format);
    emit(logger, level, format, list);
    va_end(list);
}

uint64_t wf_log_count(enum weft_logger logger, enum weft_log_level level)
{
    wf_assert(is_valid(logger, level));
    return atomic_load_explicit(&counts[logger][level], memory_order_relaxed);
}
