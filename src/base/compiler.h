#ifndef WF_BASE_COMPILER_H
#define WF_BASE_COMPILER_H

/* What we ask of the compiler, in one place: branch hints, attributes, assertions.
 *
 * wf_assert() stays on in release builds: it is for invariants whose breach would corrupt memory,
 * and costs one predictable branch. What may happen (bad input, no memory) is handled instead. */

#include <stddef.h>
#include <stdint.h>

#define WF_LIKELY(x)   __builtin_expect(!!(x), 1)
#define WF_UNLIKELY(x) __builtin_expect(!!(x), 0)

#define WF_NOINLINE      __attribute__((noinline))
#define WF_COLD          __attribute__((noinline, cold))
#define WF_ALWAYS_INLINE inline __attribute__((always_inline))
#define WF_PRINTF(f, a)  __attribute__((format(printf, f, a)))
#define WF_MUST_CHECK    __attribute__((warn_unused_result))
#define WF_ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

/* The struct of `type` whose member `member` is at `pointer`. */
#define wf_container(pointer, type, member) ((type *)((char *)(pointer)-offsetof(type, member)))

/* Print "weft: file:line: what" on stderr and abort. Never returns; async-signal-safe. */
_Noreturn void wf_panic(const char *file, int line, const char *what);

#define wf_assert(condition)                                                                       \
    do {                                                                                           \
        if (WF_UNLIKELY(!(condition)))                                                             \
            wf_panic(__FILE__, __LINE__, "assertion failed: " #condition);                         \
    } while (0)

#if defined(__SANITIZE_ADDRESS__)
#    define WF_ASAN 1
#elif defined(__has_feature)
#    if __has_feature(address_sanitizer)
#        define WF_ASAN 1
#    endif
#endif
#ifndef WF_ASAN
#    define WF_ASAN 0
#endif

#if defined(__SANITIZE_THREAD__)
#    define WF_TSAN 1
#elif defined(__has_feature)
#    if __has_feature(thread_sanitizer)
#        define WF_TSAN 1
#    endif
#endif
#ifndef WF_TSAN
#    define WF_TSAN 0
#endif

#endif
