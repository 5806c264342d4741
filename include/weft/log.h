#ifndef WEFT_LOG_H
#define WEFT_LOG_H

/* Three loggers, four levels, one sink.
 *
 * The environment variable WEFT_LOG=debug|info|warning|error sets the level of all three when the
 * first line is logged; it is `warning` otherwise. Lines are bounded, and bytes that could forge a
 * second line or drive a terminal arrive escaped, whoever sent them. */

#include <weft/define.h>

WEFT_BEGIN_DECLS

enum weft_logger {
    WEFT_LOG_ACCESS,      /* one line for each request served */
    WEFT_LOG_APPLICATION, /* what the program says, and failures of its code */
    WEFT_LOG_RUNTIME,     /* what weft says about itself */
};

enum weft_log_level {
    WEFT_LOG_DEBUG,
    WEFT_LOG_INFO,
    WEFT_LOG_WARNING,
    WEFT_LOG_ERROR,
};

/** The most bytes in the text of one line; a longer one ends in U+2026 (three dots). */
#define WEFT_LOG_SIZE_MAX 4000

/** Receives each line: `size` bytes of escaped text followed by a NUL, without a newline. Called on
 * the thread that logs, so by several at once; must not suspend. */
typedef void weft_log_fn(void *context, enum weft_logger logger, enum weft_log_level level,
                         const char *text, size_t size);

/** Send all lines to `sink` instead of standard error.
 *
 * Returns: nothing.
 * Errors: none.
 * Suspends: never.
 * Cancel: nothing is lost.
 * Ownership: keeps `context` until the next call; NULL for `sink` goes back to standard error,
 *   where each line is one write: "weft runtime warning: text".
 * Threads: call it before a second thread uses weft. */
WEFT_API
void weft_log_set_sink(weft_log_fn *sink, void *context);

/** Let lines of `logger` pass from `level` on.
 *
 * Returns: nothing.
 * Errors: none.
 * Suspends: never.
 * Cancel: nothing is lost.
 * Ownership: takes nothing.
 * Threads: any. */
WEFT_API
void weft_log_set_level(enum weft_logger logger, enum weft_log_level level);

/** Whether a line would pass; for arguments that are costly to make.
 *
 * Returns: true or false.
 * Errors: none.
 * Suspends: never.
 * Cancel: nothing is lost.
 * Ownership: takes nothing.
 * Threads: any. */
WEFT_API
bool weft_log_enabled(enum weft_logger logger, enum weft_log_level level);

/** Log one line, as printf would write it; costs a load and a branch when the level is off.
 * Leaves errno as it was and allocates nothing, but takes some 6 KiB of stack.
 *
 *     weft_log(WEFT_LOG_APPLICATION, WEFT_LOG_INFO, "%s has joined", name);
 *
 * Returns: nothing.
 * Errors: none; a line that cannot be written is lost.
 * Suspends: never.
 * Cancel: nothing is lost.
 * Ownership: borrows its arguments.
 * Threads: any. */
WEFT_API
void weft_log(enum weft_logger logger, enum weft_log_level level, const char *format, ...)
    WEFT_PRINTF(3, 4);

WEFT_END_DECLS

#endif
