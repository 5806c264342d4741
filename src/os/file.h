#ifndef WF_OS_FILE_H
#define WF_OS_FILE_H

#include "core/loop.h"
#include "io/file.h"

/* Enter, have a call done, and wait for its end: its result. */
int64_t wf_file_ask(struct wf_file_call *call);

#endif
