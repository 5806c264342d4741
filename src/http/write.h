#ifndef WF_HTTP_WRITE_H
#define WF_HTTP_WRITE_H

/* A head and its body, as one write. */

#include <weft/stream.h>

/* Write both whole. What fits the stream's high mark goes as one piece, taken whole or not at all;
 * more goes in pieces of that size, each within `timeout` (0: none) when it has to wait.
 * *taken says whether bytes were taken, so that after a failure the message is cut.
 * -ETIMEDOUT, and weft_write()'s. */
int wf_http_write(weft_stream *stream, weft_slice head, weft_slice body, int64_t timeout,
                  bool *taken);

#endif
