#ifndef WF_HTTP_WRITE_H
#define WF_HTTP_WRITE_H

/* A head and its body, as one write. */

#include <weft/stream.h>

/* Write both whole. What fits the stream's high mark goes as one piece, taken whole or not at all.
 * `timeout` (0: none) is for a peer that reads nothing while bytes wait for it.
 * *taken says whether bytes were taken, so that after a failure the message is cut.
 * -ETIMEDOUT, and weft_write()'s. */
int wf_http_write(weft_stream *stream, weft_slice head, weft_slice body, int64_t timeout,
                  bool *taken);

/* Wait until all that was written is sent, then send the end. The same timeout. */
int wf_http_write_end(weft_stream *stream, int64_t timeout);

#endif
