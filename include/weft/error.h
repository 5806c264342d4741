#ifndef WEFT_ERROR_H
#define WEFT_ERROR_H

/* Errors are negative ints: -errno where errno has the word, WEFT_E... where it does not.
 *
 * 0 and above is success, so `if (err < 0)` is the whole check. Codes are stable; texts are for
 * people. */

#include <errno.h>
#include <weft/define.h>

WEFT_BEGIN_DECLS

/* Every error that errno has no word for: X(name, code, text). */
#define WEFT_ERROR_MAP(X)                                                                          \
    X(WEFT_ECLOSED, -4096, "stream or object was closed")                                          \
    X(WEFT_EEND, -4097, "stream ended before the request was complete")                            \
    X(WEFT_ELIMIT, -4098, "a limit given at birth was reached")                                    \
    X(WEFT_EDNS, -4099, "name could not be resolved")                                              \
    X(WEFT_ETLS, -4100, "TLS failed")                                                              \
    X(WEFT_EPROTOCOL, -4101, "peer broke the protocol")                                            \
    X(WEFT_ETHREAD, -4102, "called from a thread or loop that does not own the object")            \
    X(WEFT_ESTUCK, -4103, "tasks did not end within the grace time")                               \
    X(WEFT_EABANDONED, -4104, "the one who had to set the result is gone")                         \
    X(WEFT_EIGNORED, -4105, "an end was asked for and ignored")                                    \
    X(WEFT_EBROKEN, -4106, "the barrier was broken or reset")                                      \
    X(WEFT_EREPLY, -4107, "the server answered with an error")                                     \
    X(WEFT_EINDOUBT, -4108, "the connection broke under way: it may have been executed")

enum weft_error {
#define WEFT_ERROR_CODE_(name, code, text) name = code,
    WEFT_ERROR_MAP(WEFT_ERROR_CODE_)
#undef WEFT_ERROR_CODE_
};

/** What an error means, in a few words: "Connection refused".
 *
 * Returns: a static string, never NULL; "success" for 0 and above.
 * Errors: none; a code that nobody knows is "unknown error".
 * Suspends: never.
 * Cancel: nothing is lost.
 * Ownership: the string is the library's and lives for ever.
 * Threads: any. */
WEFT_API
const char *weft_error_text(int err);

/** How an error is written in source code: "EINVAL", "WEFT_ECLOSED".
 *
 * Returns: a static string, never NULL; "OK" for 0 and above.
 * Errors: none; a code that nobody knows is "unknown".
 * Suspends: never.
 * Cancel: nothing is lost.
 * Ownership: the string is the library's and lives for ever.
 * Threads: any. */
WEFT_API
const char *weft_error_name(int err);

/** The sentence that the last failure which had one has left on this thread: "the address 'x' has
 * no port". Misuse leaves one, and so do the calls that make or find something (loops, listeners,
 * connections, pools, addresses, stacks); plain errors of reading, writing and waiting leave the
 * last one standing, and it is about something else then.
 *
 * Returns: a string of less than 256 bytes, never NULL; "" when no call has left one.
 * Errors: none.
 * Suspends: never.
 * Cancel: nothing is lost.
 * Ownership: borrowed; valid until the next weft call on this thread that fails, so read it, or
 *   copy it, before the task suspends.
 * Threads: any; each thread has its own. */
WEFT_API
const char *weft_error_detail(void);

WEFT_END_DECLS

#endif
