#ifndef WEFT_DEFINE_H
#define WEFT_DEFINE_H

/* The words that every public header uses: visibility, marks, durations. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define WEFT_VERSION       "0.1.0"
#define WEFT_VERSION_MAJOR 0
#define WEFT_VERSION_MINOR 1
#define WEFT_VERSION_PATCH 0

#ifdef __cplusplus
#    define WEFT_BEGIN_DECLS extern "C" {
#    define WEFT_END_DECLS   }
#else
#    define WEFT_BEGIN_DECLS
#    define WEFT_END_DECLS
#endif

#if defined(__GNUC__)
#    define WEFT_API          __attribute__((visibility("default")))
#    define WEFT_PRINTF(f, a) __attribute__((format(printf, f, a)))
#else
#    define WEFT_API
#    define WEFT_PRINTF(f, a)
#endif

/* Marks a function that may suspend the calling task. */
#if defined(__clang__)
#    define WEFT_SUSPENDS __attribute__((annotate("weft_suspends")))
#else
#    define WEFT_SUSPENDS
#endif

/* Where a macro was written, as one string: "file.c:12". */
#define WEFT_STRING_(x) #x
#define WEFT_STRING(x)  WEFT_STRING_(x)
#define WEFT_SITE       __FILE__ ":" WEFT_STRING(__LINE__)

/* Durations and points in time are int64_t nanoseconds. */
#define WEFT_MICROSECOND INT64_C(1000)
#define WEFT_MILLISECOND INT64_C(1000000)
#define WEFT_SECOND      INT64_C(1000000000)
#define WEFT_MINUTE      (60 * WEFT_SECOND)
#define WEFT_HOUR        (60 * WEFT_MINUTE)
#define WEFT_FOREVER     INT64_MAX

#endif
