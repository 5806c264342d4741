#ifndef WF_REDIS_FORMAT_H
#define WF_REDIS_FORMAT_H

/* Commands that are written like a line of printf. */

#include <stdarg.h>
#include <weft/arena.h>
#include <weft/buffer.h>

/* The arguments that a format and its list make; texts that are a whole argument stay where they
 * are. 0; -EINVAL with *why set; -ENOMEM. */
int wf_redis_format(weft_arena *arena, weft_slice **args, size_t *count, const char **why,
                    const char *format, va_list list);

#endif
