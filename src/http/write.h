#ifndef WF_HTTP_WRITE_H
#define WF_HTTP_WRITE_H

/* A head and its body, as one write; and a body in chunks. */

#include <weft/stream.h>

/* Write both whole. What fits the stream's high mark goes as one piece, taken whole or not at all.
 * `timeout` (0: none) is for a peer that reads nothing while bytes wait for it.
 * *taken says whether bytes were taken, so that after a failure the message is cut.
 * -ETIMEDOUT, and weft_write()'s. */
int wf_http_write(weft_stream *stream, weft_slice head, weft_slice body, int64_t timeout,
                  bool *taken);

/* Write data as a chunk with its size and its CRLF, as one; what does not fit the high mark with
 * them, as several. No data at all: nothing is written, for an empty chunk ends a body. The same
 * timeout. What is one chunk is taken whole or not at all; after any other failure the message is
 * cut. -ETIMEDOUT, and weft_write()'s. */
int wf_http_write_chunk(weft_stream *stream, weft_slice data, int64_t timeout);

/* End a body in chunks. `trailers` are whole lines, as wf_http1_write_field() makes them, and none
 * that a trailer may not be. As wf_http_write_chunk(). */
int wf_http_write_last_chunk(weft_stream *stream, weft_slice trailers, int64_t timeout);

/* Wait until all that was written is sent, then send the end. The same timeout. */
int wf_http_write_end(weft_stream *stream, int64_t timeout);

#endif
