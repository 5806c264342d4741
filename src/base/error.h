#ifndef WF_BASE_ERROR_H
#define WF_BASE_ERROR_H

#include "base/compiler.h"

#include <weft/error.h>

/* Leave a sentence for weft_error_detail() and return `err`: `return wf_fail(-EINVAL, "...", ...)`.
 * At most 255 bytes stay. Allocates nothing; the arguments may include weft_error_detail() itself,
 * so that a caller can put its own words before those of the callee. */
WF_COLD WF_PRINTF(2, 3) int wf_fail(int err, const char *format, ...);

#endif
