#ifndef WF_BASE_LOG_H
#define WF_BASE_LOG_H

#include <weft/log.h>

/* How many lines of that logger and level have reached the sink since the program began; tests
 * check that a run has warned of nothing. */
uint64_t wf_log_count(enum weft_logger logger, enum weft_log_level level);

#endif
